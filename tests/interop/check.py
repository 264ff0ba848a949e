#!/usr/bin/env python3
"""Independent eyes on what the command line makes: py_webauthn and python-fido2 verify registrations and assertions, PRF
results are recomputed from the stored seed, and the vault is read and written by tests/reference/vault.py.

    check.py PROGRAM ENVELOPE_PROGRAM     (cargo xtask interop builds both)
"""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cbor2
import webauthn
from fido2.server import Fido2Server
from fido2.webauthn import (
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
)
from webauthn.helpers.structs import ResidentKeyRequirement as PyResidentKey
from webauthn.helpers.structs import UserVerificationRequirement as PyUserVerification

RP_ID = "example.org"
ORIGIN = "https://login.example.org"
PIN = "interop pin"
PRF_INPUT = b"interop prf input"
REFERENCE = Path(__file__).resolve().parent.parent / "reference" / "vault.py"

# Item types of docs/vault-format.md, and keys of a credential record (src/credential/record.rs).
PASSKEY = 1
RECORD_ID, RECORD_CRED_RANDOM_WITH_UV, RECORD_CRED_RANDOM_WITHOUT_UV = 2, 11, 12


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class World:
    """The programs, in a directory of their own."""

    def __init__(self, program, envelope_program, directory):
        self.program, self.envelope_program = program, envelope_program
        self.directory = Path(directory)
        self.pin_file = self.secret("pin", PIN)

    def secret(self, name, text):
        path = self.directory / name
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(text)
        return path

    def run(self, *arguments, stdin=None):
        command = [self.program, "--json", "--dir", str(self.directory / "home"), *map(str, arguments)]
        result = subprocess.run(command, input=stdin, capture_output=True)
        if result.returncode != 0:
            raise SystemExit(f"{command} ended with {result.returncode}:\n{result.stderr.decode()}")
        return json.loads(result.stdout) if result.stdout.strip() else None

    def ceremony(self, verb, options):
        response = self.run(
            "webauthn", verb, "--origin", ORIGIN, "--yes", "--pin-file", self.pin_file, "-",
            stdin=json.dumps(options).encode(),
        )
        return response


def reference(*arguments):
    result = subprocess.run([sys.executable, REFERENCE, *map(str, arguments)], capture_output=True)
    if result.returncode != 0:
        raise SystemExit(f"reference {arguments}: {result.stdout.decode()}{result.stderr.decode()}")
    return json.loads(result.stdout)


def prf_result(response):
    return unb64url(response["clientExtensionResults"]["prf"]["results"]["first"])


def check_py_webauthn(world, algorithm, attestation):
    """py_webauthn: a registration with PRF, then a sign-in with the same passkey and the same PRF result."""
    options = webauthn.generate_registration_options(
        rp_id=RP_ID,
        rp_name="Interop",
        user_id=os.urandom(16),
        user_name="alice",
        attestation=attestation,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=PyResidentKey.REQUIRED, user_verification=PyUserVerification.REQUIRED
        ),
        supported_pub_key_algs=[algorithm],
    )
    prf = {"prf": {"eval": {"first": b64url(PRF_INPUT)}}}
    creation = json.loads(webauthn.options_to_json(options)) | {"extensions": prf}
    registration = world.ceremony("create", creation)
    verified = webauthn.verify_registration_response(
        credential=registration,
        expected_challenge=options.challenge,
        expected_rp_id=RP_ID,
        expected_origin=ORIGIN,
        require_user_verification=True,
        supported_pub_key_algs=[algorithm],
    )
    assert verified.user_verified
    assert registration["clientExtensionResults"]["prf"]["enabled"] is True

    request = webauthn.generate_authentication_options(
        rp_id=RP_ID,
        allow_credentials=[PublicKeyCredentialDescriptor(id=verified.credential_id)],
        user_verification=PyUserVerification.REQUIRED,
    )
    response = world.ceremony("get", json.loads(webauthn.options_to_json(request)) | {"extensions": prf})
    signed = webauthn.verify_authentication_response(
        credential=response,
        expected_challenge=request.challenge,
        expected_rp_id=RP_ID,
        expected_origin=ORIGIN,
        credential_public_key=verified.credential_public_key,
        credential_current_sign_count=verified.sign_count,
        require_user_verification=True,
    )
    assert signed.credential_id == verified.credential_id
    assert prf_result(response) == prf_result(registration), "one input, one result"
    return verified.credential_id, prf_result(response)


def check_fido2(world):
    """python-fido2's server, with a discoverable sign-in."""
    server = Fido2Server(PublicKeyCredentialRpEntity(name="Interop", id=RP_ID))
    user = PublicKeyCredentialUserEntity(id=os.urandom(16), name="bob", display_name="Bob")
    options, state = server.register_begin(
        user,
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    registration = world.ceremony("create", dict(options)["publicKey"])
    auth_data = server.register_complete(state, registration)
    credential = auth_data.credential_data
    request, state = server.authenticate_begin([credential], user_verification=UserVerificationRequirement.REQUIRED)
    response = world.ceremony("get", dict(request)["publicKey"])
    chosen = server.authenticate_complete(state, [credential], response)
    assert chosen.credential_id == credential.credential_id
    assert unb64url(response["response"]["userHandle"]) == user.id


def check_prf_from_seed(world, results):
    """The authenticator's own vault, opened by the Python reader: PRF results follow from the stored seeds."""
    envelope = world.directory / "key.envelope"
    subprocess.run([world.envelope_program, world.directory / "home/key/vault.redb", envelope], check=True)
    secret = (world.directory / "home/key/device.secret").read_bytes()
    secret = world.secret("device.hex", secret.hex() if len(secret) == 32 else secret.decode().strip())
    slots = [slot for slot in reference("inspect", envelope)["slots"] if slot["kind"] in (6, "device")]
    opened = reference("open", envelope, "--slot", slots[0]["slot_id"], "--secret-file", secret, "--kind", "device")
    records = [cbor2.loads(bytes.fromhex(item["plaintext"])) for item in opened["items"] if item["type"] == PASSKEY]
    seeds = {record[RECORD_ID]: record for record in records}
    salt = hashlib.sha256(b"WebAuthn PRF\0" + PRF_INPUT).digest()
    for credential, result in results:
        record = seeds[credential]
        assert hmac.digest(record[RECORD_CRED_RANDOM_WITH_UV], salt, "sha256") == result
        assert record[RECORD_CRED_RANDOM_WITH_UV] != record[RECORD_CRED_RANDOM_WITHOUT_UV]


def check_vault_read_by_reference(world):
    """A vault of the command line, opened by the Python reader; then changed by it, and read by the command line."""
    created = world.run("vault", "init")
    code = world.secret("code", created["recoveryCode"])
    world.run("vault", "put", "note", "--code-file", code, stdin=b"written by the command line")
    world.run("vault", "rotate", "--code-file", code)
    database = world.directory / "home/vault/vault.redb"
    envelope = world.directory / "vault.envelope"
    world.run("vault", "export", envelope)
    slot = reference("inspect", envelope)["slots"][0]["slot_id"]
    opened = reference("open", envelope, "--slot", slot, "--secret-file", code, "--kind", "code")
    assert opened["key_gen"] == 2, opened["key_gen"]
    plaintexts = [bytes.fromhex(item["plaintext"]) for item in opened["items"]]
    assert any(b"written by the command line" in text for text in plaintexts)

    changed = world.directory / "changed.envelope"
    reference("edit", envelope, changed, "--slot", slot, "--secret-file", code, "--kind", "code", "--rotate")
    database.unlink()
    world.run("vault", "import", changed)
    note = world.run("vault", "get", "note", "--code-file", code)
    assert unb64url(note["contents"]) == b"written by the command line"
    status = world.run("vault", "status", "--code-file", code)
    assert status["keyGeneration"] == 3, status


def check_vault_written_by_reference(world):
    """A vault that the Python program made, with an item of the form that the command line reads, and its code."""
    envelope, secret = world.directory / "fresh.envelope", world.secret("fresh.device", os.urandom(32).hex())
    item = cbor2.dumps({1: "hello", 2: b"written by the reference"}).hex()
    made = reference(
        "write", envelope, "--kind", "device", "--secret-file", secret, "--recovery-code", "--item", f"64:{item}"
    )
    code = world.secret("fresh.code", made["recovery_code"])
    database = world.directory / "home/vault/vault.redb"
    database.unlink()
    world.run("vault", "import", envelope)
    hello = world.run("vault", "get", "hello", "--code-file", code)
    assert unb64url(hello["contents"]) == b"written by the reference"


def main():
    program, envelope_program = sys.argv[1:]
    with tempfile.TemporaryDirectory() as directory:
        world = World(program, envelope_program, directory)
        world.run("key", "init", "--pin-file", world.pin_file)
        results = []
        for algorithm in (COSEAlgorithmIdentifier.ECDSA_SHA_256, COSEAlgorithmIdentifier.EDDSA):
            for attestation in (AttestationConveyancePreference.NONE, AttestationConveyancePreference.DIRECT):
                results.append(check_py_webauthn(world, algorithm, attestation))
        print("py_webauthn: 4 registrations and 4 sign-ins verified")
        check_fido2(world)
        print("python-fido2: registration and sign-in verified")
        check_prf_from_seed(world, results)
        print("reference reader: PRF results recomputed from the seeds in the authenticator's vault")
        check_vault_read_by_reference(world)
        print("reference reader: a vault read, rotated and handed back")
        check_vault_written_by_reference(world)
        print("reference writer: a vault of its own, read by the command line")


if __name__ == "__main__":
    main()
