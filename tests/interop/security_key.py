#!/usr/bin/env python3
"""python-fido2 as the platform of a security key: `countersign device` over UDP, through a CtapHidConnection of our own.

    security_key.py PROGRAM ATTESTATION [CHECK...]     (cargo xtask interop makes both)

ATTESTATION is a directory of cargo xtask attestation-cert with a serial number.

Each check has a key of its own in a fresh directory. All of them run, whatever becomes of the others; one that fails
fails the run.
"""

import contextlib
import hashlib
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

from fido2 import cbor
from fido2.attestation import Attestation, PackedAttestation
from fido2.client import ClientError, DefaultClientDataCollector, Fido2Client, UserInteraction
from fido2.cose import CoseKey
from fido2.ctap import CtapError
from fido2.ctap1 import APDU, ApduError, Ctap1
from fido2.ctap2 import Config, CredentialManagement, Ctap2, LargeBlobs
from fido2.ctap2.extensions import (
    CredBlobExtension,
    CredPropsExtension,
    CredProtectExtension,
    HmacSecretExtension,
    LargeBlobExtension,
    MinPinLengthExtension,
)
from fido2.ctap2.pin import ClientPin, PinProtocolV1, PinProtocolV2
from fido2.hid import CAPABILITY, CTAPHID, CtapHidDevice
from fido2.hid.base import CtapHidConnection, HidDescriptor
from fido2.server import Fido2Server
from fido2.webauthn import (
    AuthenticatorAttachment,
    AuthenticatorData,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

RP_ID = "example.com"
OTHER_RP_ID = "example.org"
PIN = "interop-pin"
OTHER_PIN = "another pin 密码"
HASH = bytes.fromhex("cd" * 32)
ES256 = [{"type": "public-key", "alg": -7}]
PERMISSION = ClientPin.PERMISSION
ERR = CtapError.ERR
RESULT = CredentialManagement.RESULT
PROTOCOLS = (PinProtocolV1(), PinProtocolV2())


class UdpConnection(CtapHidConnection):
    """One report is one datagram."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(60)
        self.socket.connect(address)

    def read_packet(self):
        return self.socket.recv(64)

    def write_packet(self, data):
        self.socket.send(data)

    def close(self):
        self.socket.close()


class Key:
    """A security key: the program on a free port, with a control socket."""

    def __init__(self, program, directory, *arguments):
        self.control = str(Path(directory) / "control")
        command = [program, "device", "--dir", str(Path(directory) / "home"), "--udp", "127.0.0.1:0"]
        command += ["--auto-approve", "--control", self.control, *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        line = self.process.stdout.readline().decode().strip()
        prefix, _, address = line.partition("udp=")
        assert prefix == "READY ", line
        host, _, port = address.rpartition(":")
        self.address = (host, int(port))

    def device(self):
        """A channel of its own, on a socket of its own."""
        descriptor = HidDescriptor("udp", 0, 0, 64, 64, "countersign", None)
        return CtapHidDevice(descriptor, UdpConnection(self.address))

    def platform(self):
        return Ctap2(self.device())

    def order(self, line):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.connect(self.control)
            control.sendall(line.encode() + b"\n")
            answer = control.makefile().readline().strip()
        assert answer == "ok", f"{line}: {answer}"

    def power_cycle(self):
        self.order("power-cycle")
        return self.platform()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        assert code == 0, f"the device ended with {code}"


@contextlib.contextmanager
def refused(*codes):
    """What is in here must be refused, with one of the status codes."""
    try:
        yield
    except CtapError as error:
        assert error.code in codes, f"{error} instead of {codes}"
    else:
        raise AssertionError(f"not refused with {codes}")


@contextlib.contextmanager
def refused_by_word(word):
    """What is in here must be refused, with this status word."""
    try:
        yield
    except ApduError as error:
        assert error.code == word, f"{error.code:04x} instead of {word:04x}"
    else:
        raise AssertionError(f"not refused with {word:04x}")


def sha256(data):
    return hashlib.sha256(data).digest()


def user(number):
    return {"id": bytes([number]), "name": f"user {number}", "displayName": f"User {number}"}


def create(ctap, number=1, rp_id=RP_ID, rk=True, token=None, protocol=None, **more):
    auth = (protocol.authenticate(token, HASH), protocol.VERSION) if token else (None, None)
    options = {"rk": True} if rk else None
    return ctap.make_credential(
        HASH, {"id": rp_id, "name": "Interop"}, user(number), more.pop("params", ES256), more.pop("exclude", None),
        more.pop("extensions", None), options, *auth, **more,
    )


def get(ctap, rp_id=RP_ID, allow=None, token=None, protocol=None, many=False, **more):
    auth = (protocol.authenticate(token, HASH), protocol.VERSION) if token else (None, None)
    call = ctap.get_assertions if many else ctap.get_assertion
    return call(rp_id, HASH, allow, more.pop("extensions", None), more.pop("options", None), *auth, **more)


def descriptor(credential_id):
    return {"type": "public-key", "id": credential_id}


def credential_id(attestation):
    return attestation.auth_data.credential_data.credential_id


def public_key(attestation):
    return attestation.auth_data.credential_data.public_key


def token_for(ctap, permissions, rp_id=None, protocol=None, pin=PIN):
    protocol = protocol or PinProtocolV2()
    return ClientPin(ctap, protocol).get_pin_token(pin, permissions, rp_id), protocol


def with_pin(key):
    ctap = key.platform()
    ClientPin(ctap).set_pin(PIN)
    return ctap


def check_hid(key):
    """INIT, PING up to 7609 bytes, WINK, LOCK, errors, and a channel for everybody."""
    device = key.device()
    assert device.version == 2
    assert device.capabilities & CAPABILITY.CBOR and device.capabilities & CAPABILITY.WINK
    for length in (0, 1, 57, 58, 1024, 7609):
        message = os.urandom(length)
        # python-fido2 takes an empty response for a missing one.
        assert length == 0 or device.ping(message) == message
    device.wink()
    other = key.device()
    assert other._channel_id != device._channel_id
    device.lock(10)
    with refused(ERR.CHANNEL_BUSY):
        once(other, CTAPHID.PING, b"x")
    device.lock(0)
    assert other.ping(b"x") == b"x"
    with refused(ERR.INVALID_COMMAND):
        once(device, CTAPHID.VENDOR_FIRST, b"x")
    with refused(ERR.INVALID_LENGTH):
        once(device, CTAPHID.CBOR, b"")
    if device.capabilities & CAPABILITY.NMSG:
        with refused(ERR.INVALID_COMMAND):
            once(device, CTAPHID.MSG, bytes(4))


def once(device, command, data=b""):
    """One message, not repeated while the channel is busy."""
    return device._do_call(command, data, threading.Event(), None)


def check_get_info(key):
    """getInfo is canonical and consistent, and says that the PIN is set when it is."""
    ctap = key.platform()
    raw = ctap.device.call(CTAPHID.CBOR, b"\x04")
    assert raw[0] == 0 and cbor.encode(cbor.decode(raw[1:])) == raw[1:]
    info = ctap.get_info()
    assert {"FIDO_2_0", "FIDO_2_1", "FIDO_2_3"} <= set(info.versions) and "FIDO_2_2" not in info.versions
    assert info.options["rk"] and info.options["clientPin"] is False and "uv" not in info.options
    assert info.max_msg_size == 7609 and set(info.pin_uv_protocols) == {1, 2}
    assert ES256[0] in info.algorithms
    assert "none" not in info.attestation_formats
    ClientPin(ctap).set_pin(PIN)
    assert ctap.get_info().options["clientPin"] is True


def check_pin(key):
    """Set, change, wrong, and the policy on length, with both protocols."""
    ctap = key.platform()
    for protocol in PROTOCOLS:
        client = ClientPin(ctap, protocol)
        with refused(ERR.PIN_NOT_SET):
            client.get_pin_token(PIN, PERMISSION.GET_ASSERTION, RP_ID)
    v1, v2 = (ClientPin(ctap, protocol) for protocol in PROTOCOLS)
    with refused(ERR.PIN_POLICY_VIOLATION):
        set_raw_pin(v2, "密" * 3)
    v1.set_pin(PIN)
    with refused(ERR.PIN_AUTH_INVALID):
        v2.set_pin(PIN)
    assert v1.get_pin_retries()[0] == 8
    for client in (v1, v2):
        with refused(ERR.PIN_INVALID):
            client.get_pin_token("wrong", PERMISSION.GET_ASSERTION, RP_ID)
        assert client.get_pin_retries()[0] == 7
        assert len(client.get_pin_token(PIN, PERMISSION.GET_ASSERTION, RP_ID)) == 32
        assert client.get_pin_retries()[0] == 8
    v2.change_pin(PIN, OTHER_PIN)
    with refused(ERR.PIN_INVALID):
        v1.change_pin(PIN, OTHER_PIN)
    v1.change_pin(OTHER_PIN, PIN)
    v2.get_pin_token(PIN)


def set_raw_pin(client, pin):
    """Past the client's own check of the length."""
    key_agreement, secret = client._get_shared_secret()
    encrypted = client.protocol.encrypt(secret, pin.encode().ljust(64, b"\0"))
    client.ctap.client_pin(
        client.protocol.VERSION,
        ClientPin.CMD.SET_PIN,
        key_agreement=key_agreement,
        new_pin_enc=encrypted,
        pin_uv_param=client.protocol.authenticate(secret, encrypted),
    )


def check_pin_blocked(key):
    """Three wrong PINs in a row need a power cycle, which is all that helps; eight need a reset."""
    ctap = with_pin(key)
    tries = 8
    while tries > 0:
        client = ClientPin(ctap)
        for wrong in range(1, 4):
            tries -= 1
            last = [ERR.PIN_BLOCKED] if tries == 0 else [ERR.PIN_AUTH_BLOCKED] if wrong == 3 else [ERR.PIN_INVALID]
            with refused(*last):
                client.get_pin_token("wrong", PERMISSION.GET_ASSERTION, RP_ID)
            if tries == 0:
                break
        if tries == 0:
            break
        assert client.get_pin_retries() == (tries, True)
        # Neither the right PIN, nor another channel, costs or gives a try.
        for other in (ctap, key.platform()):
            with refused(ERR.PIN_AUTH_BLOCKED):
                ClientPin(other).get_pin_token(PIN, PERMISSION.GET_ASSERTION, RP_ID)
        ctap = key.power_cycle()
        retries, power_cycle = ClientPin(ctap).get_pin_retries()
        assert retries == tries and not power_cycle
    assert ClientPin(ctap).get_pin_retries()[0] == 0
    for _ in range(2):
        with refused(ERR.PIN_BLOCKED):
            ClientPin(ctap).get_pin_token(PIN, PERMISSION.GET_ASSERTION, RP_ID)
        ctap = key.power_cycle()
    ctap.reset()
    assert ctap.get_info().options["clientPin"] is False
    ClientPin(ctap).set_pin(OTHER_PIN)


def check_token_permissions(key):
    """A token is good for what it was asked for, for one relying party, and until there is another."""
    ctap = with_pin(key)
    made = {}
    for protocol in PROTOCOLS:
        number = protocol.VERSION
        token, _ = token_for(ctap, PERMISSION.MAKE_CREDENTIAL, RP_ID, protocol)
        with refused(ERR.PIN_AUTH_INVALID):
            get(ctap, token=token, protocol=protocol)
        with refused(ERR.PIN_AUTH_INVALID):
            create(ctap, number, OTHER_RP_ID, token=token, protocol=protocol)
        made[number] = create(ctap, number, token=token, protocol=protocol)
        assert made[number].auth_data.is_user_verified() and made[number].auth_data.is_user_present()
        with refused(ERR.PIN_AUTH_INVALID):
            create(ctap, number, token=token, protocol=protocol)  # "clear all permissions except lbw"
    # One generation lives: a token of one protocol ends that of the other.
    old, _ = token_for(ctap, PERMISSION.GET_ASSERTION, RP_ID, PROTOCOLS[0])
    new, _ = token_for(ctap, PERMISSION.GET_ASSERTION, RP_ID, PROTOCOLS[1])
    with refused(ERR.PIN_AUTH_INVALID):
        get(ctap, token=old, protocol=PROTOCOLS[0])
    assertion = get(ctap, token=new, protocol=PROTOCOLS[1])
    assertion.verify(HASH, public_key(made[2]))
    assert assertion.user["name"] == "user 2"
    # Without a token: the user is not verified, and names are not told.
    assertion = get(ctap)
    assert not assertion.auth_data.is_user_verified() and set(assertion.user) == {"id"}
    with refused(ERR.PUAT_REQUIRED):
        create(ctap, 3)
    client = ClientPin(ctap)
    with refused(ERR.INVALID_PARAMETER):
        client.get_pin_token(PIN, PERMISSION(0), RP_ID)
    with refused(ERR.UNAUTHORIZED_PERMISSION):
        client.get_pin_token(PIN, PERMISSION.BIO_ENROLL, RP_ID)
    # getPinToken of CTAP 2.0 is good for both, and for whichever relying party comes first.
    legacy = client.get_pin_token(PIN)
    create(ctap, 4, OTHER_RP_ID, token=legacy, protocol=client.protocol)
    # Changing the PIN ends tokens.
    token, protocol = token_for(ctap, PERMISSION.GET_ASSERTION, RP_ID)
    client.change_pin(PIN, OTHER_PIN)
    with refused(ERR.PIN_AUTH_INVALID):
        get(ctap, token=token, protocol=protocol)


def salts_input(ctap, protocol, *salts):
    """hmac-secret's input, and the secret that decrypts its output."""
    key_agreement, secret = ClientPin(ctap, protocol)._get_shared_secret()
    encrypted = protocol.encrypt(secret, b"".join(salts))
    auth = protocol.authenticate(secret, encrypted)
    return {1: key_agreement, 2: encrypted, 3: auth, 4: protocol.VERSION}, secret


# What a registration asks of each extension, and what comes back.
EXTENSIONS = {
    "credBlob": (b"blob" * 8, True),
    "credProtect": (2, 2),
    "hmac-secret": (True, True),
    "hmac-secret-mc": (None, None),
    "largeBlobKey": (True, None),
    "minPinLength": (True, None),
    "pinComplexityPolicy": (True, None),
    "thirdPartyPayment": (True, None),
}


def check_every_extension(key):
    """A registration with every extension that getInfo lists, and what the passkey answers afterwards."""
    ctap = with_pin(key)
    info = ctap.info
    assert set(info.extensions) <= set(EXTENSIONS), f"not tested: {set(info.extensions) - set(EXTENSIONS)}"
    missing = {"credBlob", "credProtect", "hmac-secret", "hmac-secret-mc", "largeBlobKey", "minPinLength",
               "thirdPartyPayment"} - set(info.extensions)
    assert not missing, f"not offered: {missing}"
    protocol = PinProtocolV2()
    salts = os.urandom(32), os.urandom(32)
    mc, secret = salts_input(ctap, protocol, *salts)
    token, _ = token_for(ctap, PERMISSION.MAKE_CREDENTIAL, RP_ID, protocol)
    inputs = {name: EXTENSIONS[name][0] for name in info.extensions} | {"hmac-secret-mc": mc}
    made = create(ctap, token=token, protocol=protocol, extensions=inputs)
    outputs = made.auth_data.extensions
    for name in info.extensions:
        if EXTENSIONS[name][1] is not None:
            assert outputs[name] == EXTENSIONS[name][1], (name, outputs)
    assert set(outputs) <= set(inputs)
    assert "largeBlobKey" not in outputs and len(made.large_blob_key) == 32
    assert "minPinLength" not in outputs, "this relying party was not named"
    results = protocol.decrypt(secret, outputs["hmac-secret-mc"])
    assert len(results) == 64

    token, _ = token_for(ctap, PERMISSION.GET_ASSERTION, RP_ID, protocol)
    hmac_secret, secret = salts_input(ctap, protocol, *salts)
    asked = {"credBlob": True, "hmac-secret": hmac_secret, "largeBlobKey": True, "thirdPartyPayment": True}
    assertion = get(ctap, token=token, protocol=protocol, extensions=asked)
    assertion.verify(HASH, public_key(made))
    outputs = assertion.auth_data.extensions
    assert outputs["credBlob"] == EXTENSIONS["credBlob"][0]
    assert outputs["thirdPartyPayment"] is True
    assert protocol.decrypt(secret, outputs["hmac-secret"]) == results, "one secret, at registration and at sign-in"
    assert assertion.large_blob_key == made.large_blob_key
    # Too long a blob is not stored, and nothing fails.
    token, _ = token_for(ctap, PERMISSION.MAKE_CREDENTIAL, RP_ID, protocol)
    long = create(ctap, 2, token=token, protocol=protocol, extensions={"credBlob": bytes(info.max_cred_blob_length + 1)})
    assert long.auth_data.extensions == {"credBlob": False}
    # credProtect 2: hidden from who names no credential, without user verification.
    hidden = get(ctap, many=True)
    assert [a.credential["id"] for a in hidden] == [credential_id(long)]
    assert get(ctap, allow=[descriptor(credential_id(made))]).credential["id"] == credential_id(made)


def check_salts(key):
    """hmac-secret with one and two salts, with and without user verification, with both protocols."""
    ctap = with_pin(key)
    token, protocol = token_for(ctap, PERMISSION.MAKE_CREDENTIAL, RP_ID)
    made = create(ctap, token=token, protocol=protocol, extensions={"hmac-secret": True})
    assert made.auth_data.extensions == {"hmac-secret": True}
    allow = [descriptor(credential_id(made))]
    salts = os.urandom(32), os.urandom(32)
    results = {}
    for verified in (False, True):
        for protocol in PROTOCOLS:
            for used in (salts[:1], salts):
                auth = {}
                if verified:
                    auth["token"], auth["protocol"] = token_for(ctap, PERMISSION.GET_ASSERTION, RP_ID, protocol)
                value, secret = salts_input(ctap, protocol, *used)
                assertion = get(ctap, allow=allow, extensions={"hmac-secret": value}, **auth)
                output = protocol.decrypt(secret, assertion.auth_data.extensions["hmac-secret"])
                assert len(output) == 32 * len(used)
                for salt, number in zip(used, range(2)):
                    result = output[32 * number : 32 * number + 32]
                    assert results.setdefault((verified, salt), result) == result
    assert len(set(results.values())) == 4, "each salt has its result, and user verification another secret"
    value, _ = salts_input(ctap, PROTOCOLS[1], os.urandom(32))
    with refused(ERR.PIN_AUTH_INVALID):
        get(ctap, allow=allow, extensions={"hmac-secret": value | {3: bytes(32)}})
    value, _ = salts_input(ctap, PROTOCOLS[1], os.urandom(32), os.urandom(16))
    with refused(ERR.INVALID_PARAMETER, ERR.INVALID_LENGTH):
        get(ctap, allow=allow, extensions={"hmac-secret": value})
    value, _ = salts_input(ctap, PROTOCOLS[1], os.urandom(32))
    with refused(ERR.UNSUPPORTED_OPTION):
        get(ctap, allow=allow, extensions={"hmac-secret": value}, options={"up": False})


def check_twelve_accounts(key):
    """getNextAssertion over 12 accounts, newest first; nothing comes in between; and a channel is bound."""
    ctap = key.platform()
    made = [create(ctap, number) for number in range(1, 13)]
    assertions = get(ctap, many=True)
    assert assertions[0].number_of_credentials == 12
    assert [a.user["id"] for a in assertions] == [bytes([number]) for number in range(12, 0, -1)]
    for assertion, registration in zip(assertions, reversed(made)):
        assertion.verify(HASH, public_key(registration))
        assert assertion.auth_data.is_user_present()
    with refused(ERR.NOT_ALLOWED):
        ctap.get_next_assertion()
    get(ctap)
    ctap.get_next_assertion()
    ctap.get_info()
    with refused(ERR.NOT_ALLOWED):
        ctap.get_next_assertion()
    other = key.platform()
    get(ctap)
    with refused(ERR.NOT_ALLOWED):
        other.get_next_assertion()
    # A list names: one answer, and no account twice.
    named = get(ctap, allow=[descriptor(credential_id(made[4]))])
    assert named.number_of_credentials is None
    with refused(ERR.NO_CREDENTIALS):
        get(ctap, allow=[descriptor(os.urandom(32))])
    with refused(ERR.NO_CREDENTIALS):
        get(ctap, rp_id=OTHER_RP_ID)
    with refused(ERR.CREDENTIAL_EXCLUDED):
        create(ctap, 13, exclude=[descriptor(credential_id(made[0]))])
    # The same account again replaces its passkey.
    again = create(ctap, 1)
    with refused(ERR.NO_CREDENTIALS):
        get(ctap, allow=[descriptor(credential_id(made[0]))])
    assert get(ctap, many=True)[0].credential["id"] == credential_id(again)


def check_not_discoverable(key):
    """Credentials that are not discoverable: by name only, and after a power cycle."""
    ctap = key.platform()
    made = create(ctap, rk=False)
    with refused(ERR.NO_CREDENTIALS):
        get(ctap)
    ctap = key.power_cycle()
    assertion = get(ctap, allow=[descriptor(credential_id(made))])
    assertion.verify(HASH, public_key(made))
    with refused(ERR.NO_CREDENTIALS):
        get(ctap, OTHER_RP_ID, allow=[descriptor(credential_id(made))])


def check_attestation(key):
    """Every algorithm on offer makes a credential whose attestation and assertions verify."""
    ctap = key.platform()
    assert ctap.info.algorithms
    for params in ctap.info.algorithms:
        made = create(ctap, rk=False, params=[params])
        assert public_key(made)[3] == params["alg"]
        attestation = Attestation.for_type(made.fmt)()
        attestation.verify(made.att_stmt, made.auth_data, HASH)
        assert isinstance(attestation, PackedAttestation), made.fmt
        assert "x5c" not in made.att_stmt
        get(ctap, allow=[descriptor(credential_id(made))]).verify(HASH, public_key(made))
    unknown = {"type": "public-key", "alg": -65000}
    with refused(ERR.UNSUPPORTED_ALGORITHM):
        create(ctap, params=[unknown])
    assert public_key(create(ctap, params=[unknown, *ES256]))[3] == -7


def manager(ctap, permissions=PERMISSION.CREDENTIAL_MGMT, rp_id=None, protocol=None):
    token, protocol = token_for(ctap, permissions, rp_id, protocol)
    return CredentialManagement(ctap, protocol, token)


def check_credential_management(key):
    """Metadata, lists, update and deletion, with both protocols; the cursor and the token's relying party."""
    ctap = with_pin(key)
    assert manager(ctap).get_metadata()[RESULT.EXISTING_CRED_COUNT] == 0
    assert manager(ctap).enumerate_rps() == []
    made = {}
    for rp_id, numbers in ((RP_ID, (1, 2, 3)), (OTHER_RP_ID, (4,))):
        for number in numbers:
            token, protocol = token_for(ctap, PERMISSION.MAKE_CREDENTIAL, rp_id)
            extensions = {"credProtect": 3} if number == 3 else None
            made[number] = create(ctap, number, rp_id, token=token, protocol=protocol, extensions=extensions)
    for protocol in PROTOCOLS:
        metadata = manager(ctap, protocol=protocol).get_metadata()
        assert metadata[RESULT.EXISTING_CRED_COUNT] == 4 and metadata[RESULT.MAX_REMAINING_COUNT] > 0
        rps = {rp[RESULT.RP]["id"]: rp[RESULT.RP_ID_HASH] for rp in manager(ctap, protocol=protocol).enumerate_rps()}
        assert rps == {rp_id: sha256(rp_id.encode()) for rp_id in (RP_ID, OTHER_RP_ID)}
        listed = manager(ctap, protocol=protocol).enumerate_creds(sha256(RP_ID.encode()))
        by_user = {entry[RESULT.USER]["id"][0]: entry for entry in listed}
        assert set(by_user) == {1, 2, 3}
        for number, entry in by_user.items():
            assert entry[RESULT.CREDENTIAL_ID]["id"] == credential_id(made[number])
            assert CoseKey.parse(entry[RESULT.PUBLIC_KEY]) == public_key(made[number])
            assert entry[RESULT.CRED_PROTECT] == (3 if number == 3 else 1)
            assert entry[RESULT.USER]["name"] == f"user {number}"
    assert manager(ctap).enumerate_creds(sha256(b"nobody.example")) == []
    # Another command ends the enumeration.
    listing = manager(ctap)
    listing.enumerate_rps_begin()
    ctap.get_info()
    with refused(ERR.NOT_ALLOWED):
        listing.enumerate_rps_next()
    # Update: the same account, other names.
    manager(ctap).update_user_info(descriptor(credential_id(made[1])), user(1) | {"name": "renamed"})
    with refused(ERR.INVALID_PARAMETER):
        manager(ctap).update_user_info(descriptor(credential_id(made[1])), user(9))
    with refused(ERR.NO_CREDENTIALS):
        manager(ctap).update_user_info(descriptor(os.urandom(32)), user(1))
    listed = manager(ctap).enumerate_creds(sha256(RP_ID.encode()))
    names = {entry[RESULT.USER]["id"][0]: entry[RESULT.USER]["name"] for entry in listed}
    assert names == {1: "renamed", 2: "user 2", 3: "user 3"}
    # A token for another relying party manages nothing here.
    with refused(ERR.PIN_AUTH_INVALID):
        manager(ctap, rp_id=OTHER_RP_ID).delete_cred(descriptor(credential_id(made[1])))
    with refused(ERR.PIN_AUTH_INVALID):
        manager(ctap, rp_id=OTHER_RP_ID).enumerate_rps_begin()
    with refused(ERR.PIN_AUTH_INVALID):
        manager(ctap, PERMISSION.GET_ASSERTION, RP_ID).get_metadata()
    manager(ctap, rp_id=RP_ID).delete_cred(descriptor(credential_id(made[1])))
    with refused(ERR.NO_CREDENTIALS):
        manager(ctap).delete_cred(descriptor(credential_id(made[1])))
    for number in (2, 3, 4):
        manager(ctap).delete_cred(descriptor(credential_id(made[number])))
    assert manager(ctap).get_metadata()[RESULT.EXISTING_CRED_COUNT] == 0
    with refused(ERR.PUAT_REQUIRED):
        ctap.credential_mgmt(1)


def check_persistent_token(key):
    """A read-only token outlives power, decrypts getInfo's identifiers, and changes nothing."""
    ctap = with_pin(key)
    assert ctap.info.options["perCredMgmtRO"] is True
    token, protocol = token_for(ctap, PERMISSION.PERSISTENT_CREDENTIAL_MGMT)
    identifier = ctap.get_info().get_identifier(token)
    state = ctap.get_info().get_cred_store_state(token)
    assert len(identifier) == 16 and len(state) == 16
    with refused(ERR.UNAUTHORIZED_PERMISSION):
        token_for(ctap, PERMISSION.PERSISTENT_CREDENTIAL_MGMT | PERMISSION.CREDENTIAL_MGMT)
    mc, _ = token_for(ctap, PERMISSION.MAKE_CREDENTIAL, RP_ID)
    made = create(ctap, token=mc, protocol=protocol)
    assert ctap.get_info().get_cred_store_state(token) != state, "the stored credentials changed"
    ctap = key.power_cycle()
    reader = CredentialManagement(ctap, protocol, token)
    assert reader.get_metadata()[RESULT.EXISTING_CRED_COUNT] == 1
    assert len(reader.enumerate_rps()) == 1
    assert len(reader.enumerate_creds(sha256(RP_ID.encode()))) == 1
    with refused(ERR.PIN_AUTH_INVALID):
        reader.delete_cred(descriptor(credential_id(made)))
    assert ctap.get_info().get_identifier(token) == identifier
    ClientPin(ctap).change_pin(PIN, OTHER_PIN)
    with refused(ERR.PIN_AUTH_INVALID):
        reader.get_metadata()


def check_large_blobs(key):
    """The large-blob array: empty at first, written in fragments, read back, its integrity and its limits."""
    ctap = with_pin(key)
    assert ctap.info.options["largeBlobs"] is True and ctap.info.max_large_blob >= 1024
    assert LargeBlobs(ctap).read_blob_array() == []
    keys = []
    for number in (1, 2):
        token, protocol = token_for(ctap, PERMISSION.MAKE_CREDENTIAL, RP_ID)
        made = create(ctap, number, token=token, protocol=protocol, extensions={"largeBlobKey": True})
        keys.append(made.large_blob_key)
    blobs = [b"first blob", os.urandom(700)]
    for large_blob_key, blob in zip(keys, blobs):
        token, protocol = token_for(ctap, PERMISSION.LARGE_BLOB_WRITE)
        LargeBlobs(ctap, protocol, token).put_blob(large_blob_key, blob)
    ctap = key.power_cycle()
    for large_blob_key, blob in zip(keys, blobs):
        assert LargeBlobs(ctap).get_blob(large_blob_key) == blob
    token, protocol = token_for(ctap, PERMISSION.LARGE_BLOB_WRITE)
    LargeBlobs(ctap, protocol, token).delete_blob(keys[0])
    assert LargeBlobs(ctap).get_blob(keys[0]) is None and LargeBlobs(ctap).get_blob(keys[1]) == blobs[1]

    def write(data, offset=0, length=None, token=token, protocol=protocol):
        message = b"\xff" * 32 + b"\x0c\x00" + struct.pack("<I", offset) + sha256(data)
        auth = (protocol.authenticate(token, message), protocol.VERSION) if token else (None, None)
        ctap.large_blobs(
            offset, set=data, length=length, pin_uv_param=auth[0], pin_uv_protocol=auth[1]
        )

    whole = cbor.encode([{1: bytes(50), 2: bytes(12), 3: 10}])
    whole += sha256(whole)[:16]
    with refused(ERR.PUAT_REQUIRED):
        write(whole, length=len(whole), token=None)
    with refused(ERR.INTEGRITY_FAILURE):
        write(whole[:-1] + bytes([whole[-1] ^ 1]), length=len(whole))
    with refused(ERR.LARGE_BLOB_STORAGE_FULL):
        write(whole, length=ctap.info.max_large_blob + 1)
    with refused(ERR.INVALID_PARAMETER):
        write(whole, length=16)
    # In two fragments; and the second of them not twice.
    write(whole[:20], length=len(whole))
    write(whole[20:], offset=20)
    with refused(ERR.INVALID_SEQ):
        write(whole[20:], offset=20)
    assert LargeBlobs(ctap).read_blob_array() == [{1: bytes(50), 2: bytes(12), 3: 10}]
    token, _ = token_for(ctap, PERMISSION.GET_ASSERTION, RP_ID, protocol)
    with refused(ERR.PIN_AUTH_INVALID):
        write(whole, length=len(whole), token=token)


def configurator(ctap, pin=PIN):
    token, protocol = token_for(ctap, PERMISSION.AUTHENTICATOR_CFG, pin=pin)
    return Config(Ctap2(ctap.device), protocol, token)


def check_large_blob(key):
    """The extension largeBlob of CTAP 2.3, which python-fido2 does not know: its maps as they are, by raw commands."""
    ctap = with_pin(key)
    info = ctap.info
    assert "largeBlob" in info.extensions and "largeBlobKey" not in info.extensions
    assert "largeBlobs" not in info.options and not info.max_large_blob
    with refused(ERR.INVALID_COMMAND):
        ctap.large_blobs(0, get=100)
    made = []
    for number, support in ((1, "required"), (2, "preferred")):
        token, protocol = token_for(ctap, PERMISSION.MAKE_CREDENTIAL, RP_ID)
        extensions = {"largeBlob": {"support": support}}
        auth = protocol.authenticate(token, HASH), protocol.VERSION
        response = ctap.send_cbor(
            Ctap2.CMD.MAKE_CREDENTIAL,
            members(HASH, {"id": RP_ID}, user(number), ES256, None, extensions, {"rk": True}, *auth),
        )
        assert response[6] == {"largeBlob": {"supported": True}}, response
        assert 5 not in response, "the other extension's key"
        made.append(AuthenticatorData(response[2]))
        assert "largeBlob" not in (made[-1].extensions or {}), "the output is unsigned"

    with refused(ERR.UNAUTHORIZED_PERMISSION):
        token_for(ctap, PERMISSION.LARGE_BLOB_WRITE)  # That one is for the array.

    def sign_in(number, named=True, options=None, **blob):
        token, protocol = token_for(ctap, PERMISSION.GET_ASSERTION, RP_ID)
        auth = protocol.authenticate(token, HASH), protocol.VERSION
        allow = [descriptor(made[number].credential_data.credential_id)] if named else None
        response = ctap.send_cbor(
            Ctap2.CMD.GET_ASSERTION, members(RP_ID, HASH, allow, {"largeBlob": blob}, options, *auth)
        )
        made[number].credential_data.public_key.verify(response[2] + HASH, response[3])
        assert "largeBlob" not in (AuthenticatorData(response[2]).extensions or {}), "the output is unsigned"
        return response.get(8, {}).get("largeBlob")

    blobs = os.urandom(700), os.urandom(40)
    for number, blob in enumerate(blobs):
        assert sign_in(number, write=blob, originalSize=len(blob) * 3) == {"written": True}
    ctap = key.power_cycle()
    for number, blob in enumerate(blobs):
        assert sign_in(number, read=True) == {"blob": blob, "originalSize": len(blob) * 3}
    assert sign_in(0, write=b"shorter", originalSize=7) == {"written": True}
    assert sign_in(0, read=True) == {"blob": b"shorter", "originalSize": 7}
    assert sign_in(1, read=True) == {"blob": blobs[1], "originalSize": len(blobs[1]) * 3}
    # Nothing is overwritten by who names no credential, or without a touch. (The newest one answers.)
    assert sign_in(1, named=False, write=b"x", originalSize=1) == {"written": False}
    assert sign_in(1, options={"up": False}, write=b"x", originalSize=1) == {"written": False}
    assert sign_in(1, read=True)["blob"] == blobs[1]
    for wrong in ({}, {"read": False}, {"write": b"x"}, {"read": True, "write": b"x", "originalSize": 1}):
        with refused(ERR.INVALID_CBOR):
            sign_in(0, **wrong)


def members(*values):
    """A command's parameters, numbered from 1; those that are None are absent."""
    return {number: value for number, value in enumerate(values, 1) if value is not None}


def check_always_uv(key):
    """alwaysUv: nothing without a token, and back."""
    ctap = with_pin(key)
    assert ctap.info.options["alwaysUv"] is False and ctap.info.options["authnrCfg"] is True
    made = create(ctap, rk=False)
    configurator(ctap).toggle_always_uv()
    info = ctap.get_info()
    assert info.options["alwaysUv"] is True and not info.options.get("makeCredUvNotRqd")
    with refused(ERR.PUAT_REQUIRED):
        create(ctap, rk=False)
    allow = [descriptor(credential_id(made))]
    with refused(ERR.PUAT_REQUIRED):
        get(ctap, allow=allow)
    get(ctap, allow=allow, options={"up": False})
    token, protocol = token_for(ctap, PERMISSION.GET_ASSERTION, RP_ID)
    assert get(ctap, allow=allow, token=token, protocol=protocol).auth_data.is_user_verified()
    ctap = key.power_cycle()
    assert ctap.get_info().options["alwaysUv"] is True
    configurator(ctap).toggle_always_uv()
    create(ctap, rk=False)
    with refused(ERR.PUAT_REQUIRED, ERR.PIN_AUTH_INVALID):
        Config(Ctap2(ctap.device)).toggle_always_uv()


def check_min_pin_length(key):
    """The minimum PIN length: raised, never lowered, told to those who may know it; a PIN that must be changed."""
    ctap = with_pin(key)
    assert ctap.info.min_pin_length == 4
    configurator(ctap).set_min_pin_length(6, [RP_ID])
    assert ctap.get_info().min_pin_length == 6 and not ctap.get_info().force_pin_change
    with refused(ERR.PIN_POLICY_VIOLATION):
        configurator(ctap).set_min_pin_length(5)
    for rp_id, expected in ((RP_ID, {"minPinLength": 6}), (OTHER_RP_ID, None)):
        token, protocol = token_for(ctap, PERMISSION.MAKE_CREDENTIAL, rp_id)
        made = create(ctap, 1, rp_id, token=token, protocol=protocol, extensions={"minPinLength": True})
        assert (made.auth_data.extensions or None) == expected, (rp_id, made.auth_data.extensions)
    with refused(ERR.PIN_POLICY_VIOLATION):
        ClientPin(ctap).change_pin(PIN, "12345")
    configurator(ctap).set_min_pin_length(force_change_pin=True)
    assert ctap.get_info().force_pin_change
    with refused(ERR.PIN_POLICY_VIOLATION):
        token_for(ctap, PERMISSION.GET_ASSERTION, RP_ID)
    with refused(ERR.PIN_INVALID):
        ClientPin(ctap).get_pin_token(PIN)
    with refused(ERR.PIN_POLICY_VIOLATION):
        ClientPin(ctap).change_pin(PIN, PIN)
    ClientPin(ctap).change_pin(PIN, OTHER_PIN)
    assert not ctap.get_info().force_pin_change
    # A PIN that became too short must be changed.
    configurator(ctap, OTHER_PIN).set_min_pin_length(len(OTHER_PIN) + 1)
    assert ctap.get_info().force_pin_change
    ctap = key.power_cycle()
    assert ctap.get_info().min_pin_length == len(OTHER_PIN) + 1
    ctap.reset()
    assert ctap.get_info().min_pin_length == 4


def check_enterprise_attestation(key):
    """Enterprise attestation: not before it is enabled; then for who asks; until the reset."""
    ctap = with_pin(key)
    assert ctap.info.options["ep"] is False
    with refused(ERR.INVALID_PARAMETER):
        create(ctap, rk=False, enterprise_attestation=2)
    configurator(ctap).enable_enterprise_attestation()
    configurator(ctap).enable_enterprise_attestation()
    assert ctap.get_info().options["ep"] is True
    with refused(ERR.INVALID_OPTION):
        create(ctap, rk=False, enterprise_attestation=3)
    for asked, expected in ((2, True), (1, None), (None, None)):
        made = create(ctap, rk=False, enterprise_attestation=asked)
        PackedAttestation().verify(made.att_stmt, made.auth_data, HASH)
        assert made.att_stmt["x5c"] and made.ep_att == expected, (asked, made.ep_att)
    ctap = key.power_cycle()
    assert ctap.get_info().options["ep"] is True
    ctap.reset()
    assert ctap.get_info().options["ep"] is False


def check_no_enterprise_attestation(key):
    """Where there is no certificate there is no enterprise attestation, and no command to enable it."""
    ctap = with_pin(key)
    assert "ep" not in ctap.info.options and 1 not in ctap.info.authenticator_config_commands
    with refused(ERR.INVALID_PARAMETER):
        create(ctap, rk=False, enterprise_attestation=2)
    token, protocol = token_for(ctap, PERMISSION.AUTHENTICATOR_CFG)
    message = b"\xff" * 32 + b"\x0d\x01"
    with refused(ERR.INVALID_PARAMETER, ERR.INVALID_SUBCOMMAND):
        ctap.config(1, None, protocol.VERSION, protocol.authenticate(token, message))


def check_u2f(key):
    """U2F: register, authenticate, whose handle it is; one credential for both protocols; off under alwaysUv."""
    device = key.device()
    assert not device.capabilities & CAPABILITY.NMSG
    ctap1, ctap = Ctap1(device), key.platform()
    assert "U2F_V2" in ctap.info.versions and ctap1.get_version() == "U2F_V2"
    application = sha256(RP_ID.encode())
    made = ctap1.register(HASH, application)
    made.verify(application, HASH)
    signed = ctap1.authenticate(HASH, application, made.key_handle)
    signed.verify(application, HASH, made.public_key)
    assert signed.user_presence == 1
    with refused_by_word(APDU.USE_NOT_SATISFIED):
        ctap1.authenticate(HASH, application, made.key_handle, check_only=True)
    for handle, whose in ((made.key_handle, sha256(OTHER_RP_ID.encode())), (b"x" * 64, application)):
        with refused_by_word(APDU.WRONG_DATA):
            ctap1.authenticate(HASH, whose, handle, check_only=True)
    # Made over U2F, used over CTAP2, and the other way round, with one counter.
    assertion = get(ctap, allow=[descriptor(made.key_handle)])
    x, y = made.public_key[1:33], made.public_key[33:]
    assertion.verify(HASH, CoseKey.parse({1: 2, 3: -7, -1: 1, -2: x, -3: y}))
    wrapped = create(ctap, rk=False)
    again = ctap1.authenticate(HASH, application, credential_id(wrapped))
    again.verify(application, HASH, b"\x04" + public_key(wrapped)[-2] + public_key(wrapped)[-3])
    assert signed.counter < assertion.auth_data.counter < again.counter
    key.order("touch off")
    with refused_by_word(APDU.USE_NOT_SATISFIED):
        ctap1.register(HASH, application)
    key.order("touch on")
    ctap = with_pin(key)
    configurator(ctap).toggle_always_uv()
    assert "U2F_V2" not in ctap.get_info().versions
    with refused_by_word(0x6986):
        ctap1.register(HASH, application)


def check_reset_window(key):
    """Reset within 10 seconds of power-up takes everything; later it is not allowed."""
    ctap = with_pin(key)
    token, protocol = token_for(ctap, PERMISSION.MAKE_CREDENTIAL, RP_ID)
    discoverable = create(ctap, token=token, protocol=protocol)
    wrapped = create(ctap, 2, rk=False)
    ctap = key.power_cycle()
    begun = time.monotonic()
    time.sleep(10.2)
    with refused(ERR.NOT_ALLOWED):
        ctap.reset()
    assert get(ctap).credential["id"] == credential_id(discoverable), "nothing is gone"
    ctap = key.power_cycle()
    key.order("touch off")
    cancelled = threading.Event()
    threading.Timer(0.5, cancelled.set).start()
    with refused(ERR.KEEPALIVE_CANCEL):
        ctap.reset(event=cancelled)
    assert ctap.get_info().options["clientPin"] is True, "nothing is gone"
    key.order("touch on")
    ctap.reset()
    assert time.monotonic() - begun > 10
    info = ctap.get_info()
    assert info.options["clientPin"] is False
    with refused(ERR.NO_CREDENTIALS):
        get(ctap)
    with refused(ERR.NO_CREDENTIALS):
        get(ctap, allow=[descriptor(credential_id(wrapped)), descriptor(credential_id(discoverable))])


def check_cancel(key):
    """CANCEL during a prompt ends it with KEEPALIVE_CANCEL; the prompt's end by time-out; then all is as before."""
    ctap = key.platform()
    key.order("touch off")
    seen = []
    for call in (
        lambda **more: create(ctap, **more),
        lambda **more: ctap.selection(**more),
        lambda **more: get(ctap, **more),
    ):
        cancelled = threading.Event()

        def on_keepalive(status):
            seen.append(status)
            cancelled.set()

        with refused(ERR.KEEPALIVE_CANCEL):
            call(event=cancelled, on_keepalive=on_keepalive)
    assert seen == [2, 2, 2], seen
    with refused(ERR.USER_ACTION_TIMEOUT):
        ctap.selection()
    with refused(ERR.OPERATION_DENIED):
        create(ctap)
    key.order("touch on")
    create(ctap)


def check_two_channels(key):
    """Two platforms at once: the second is busy while the first one's prompt is open, and then has its turn."""
    first, second = key.platform(), key.platform()
    key.order("touch off")
    waiting = threading.Event()
    outcome = []
    thread = threading.Thread(
        target=lambda: outcome.append(create(first, on_keepalive=lambda _: waiting.set()))
    )
    thread.start()
    assert waiting.wait(30)
    with refused(ERR.CHANNEL_BUSY):
        once(second.device, CTAPHID.CBOR, b"\x04")
    third = None
    with refused(ERR.CHANNEL_BUSY):
        third = key.device()
        once(third, CTAPHID.PING, b"x")
    key.order("touch on")
    # python-fido2 itself tries again while the channel is busy.
    assertion = second.get_info()
    thread.join(30)
    assert assertion.versions == first.info.versions and len(outcome) == 1
    get(second).verify(HASH, public_key(outcome[0]))


class Person(UserInteraction):
    """Knows the PIN, and touches."""

    def __init__(self):
        self.prompted = 0

    def prompt_up(self):
        self.prompted += 1

    def request_pin(self, permissions, rp_id):
        return PIN


def check_client_and_server(key):
    """Fido2Client and Fido2Server: registration and sign-in with prf, large blob, credBlob and credProtect."""
    with_pin(key)
    person = Person()
    extensions = [
        CredBlobExtension(), CredPropsExtension(), CredProtectExtension(), HmacSecretExtension(),
        LargeBlobExtension(), MinPinLengthExtension(),
    ]
    origin = f"https://{RP_ID}"
    client = Fido2Client(key.device(), DefaultClientDataCollector(origin), person, extensions)
    server = Fido2Server(PublicKeyCredentialRpEntity(name="Interop", id=RP_ID), attestation="direct")
    account = PublicKeyCredentialUserEntity(id=os.urandom(16), name="alice", display_name="Alice")
    salt = os.urandom(32)
    options, state = server.register_begin(
        account,
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
        authenticator_attachment=AuthenticatorAttachment.CROSS_PLATFORM,
        extensions={
            "prf": {"eval": {"first": salt}},
            "largeBlob": {"support": "required"},
            "credBlob": b"kept with it",
            "credProps": True,
            "credentialProtectionPolicy": "userVerificationRequired",
            "enforceCredentialProtectionPolicy": True,
        },
    )
    registration = client.make_credential(options.public_key)
    results = registration.client_extension_results
    assert results.prf.enabled is True and results.large_blob.supported is True and results.cred_props.rk is True
    first = results.prf.results.first
    credential = server.register_complete(state, registration).credential_data

    def sign_in(credentials, **extensions):
        request, state = server.authenticate_begin(
            credentials, user_verification=UserVerificationRequirement.REQUIRED, extensions=extensions
        )
        response = client.get_assertion(request.public_key).get_response(0)
        server.authenticate_complete(state, [credential], response)
        return response.client_extension_results, response

    results, response = sign_in(None, prf={"eval": {"first": salt, "second": os.urandom(32)}}, getCredBlob=True)
    assert results.prf.results.first == first and results.prf.results.second != first
    assert response.response.user_handle == account.id
    assert response.response.authenticator_data.extensions["credBlob"] == b"kept with it"
    blob = os.urandom(100)
    assert sign_in([credential], largeBlob={"write": blob})[0].large_blob.written is True
    assert sign_in([credential], largeBlob={"read": True})[0].large_blob.blob == blob
    # Excluded: the client is told, after a touch.
    options, state = server.register_begin(account, [credential])
    try:
        client.make_credential(options.public_key)
        raise AssertionError("registered twice")
    except ClientError as error:
        assert error.code == ClientError.ERR.DEVICE_INELIGIBLE, error
    assert person.prompted >= 5


CHECKS = {name.removeprefix("check_"): check for name, check in list(globals().items()) if name.startswith("check_")}


def run(program, attestation, name):
    # Where nobody touches, the time-out is waited for.
    vouched = ["--attestation", attestation, "--enterprise-attestation", attestation]
    impatient = ["--touch-timeout", "1"]
    more = {
        "cancel": impatient,
        "enterprise_attestation": vouched,
        "large_blob": ["--large-blobs", "per-credential"],
        "u2f": [*vouched[:2], *impatient],
    }
    with tempfile.TemporaryDirectory() as directory:
        key = Key(program, directory, *more.get(name, []))
        try:
            CHECKS[name](key)
        finally:
            key.stop()


def main():
    program, attestation, *names = sys.argv[1:]
    failed = []
    for name in names or CHECKS:
        begun = time.monotonic()
        try:
            run(program, attestation, name)
        except Exception:
            failed.append(name)
            print(f"FAILED python-fido2 over UDP: {name}", flush=True)
            traceback.print_exc()
        else:
            print(f"python-fido2 over UDP: {name} ({time.monotonic() - begun:.1f} s)", flush=True)
    if failed:
        raise SystemExit(f"{len(failed)} of {len(names or CHECKS)} checks failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
