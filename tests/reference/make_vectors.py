#!/usr/bin/env python3
"""Makes vectors/vault/python.json: vaults that vault.py wrote, for the library to open.

    make_vectors.py          print it
    make_vectors.py --write  write the file
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
from pathlib import Path

import vault as v

FILE = Path(__file__).resolve().parents[2] / "vectors" / "vault" / "python.json"
TODAY = 1_795_219_200
CHEAP = {1: 19456, 2: 2, 3: 1}
DEVICE = bytes([0xD5]) * 32
PASSKEY_TYPE, NOTE = 1, 64


class Counted:
    """Randomness that is the same in every run: h(seed || number of the draw || its name)."""

    def __init__(self, seed: str):
        self.seed, self.draws = seed, 0

    def __call__(self, name: str, count: int) -> bytes:
        self.draws += 1
        block = hashlib.sha256(f"countersign python vectors {self.seed} {self.draws} {name}".encode()).digest()
        assert count <= len(block)
        return block[:count]


def private(label: str) -> dict:
    return {1: label, 8: TODAY}


class Maker:
    """One vault on its way through states."""

    def __init__(self, seed: str, **more):
        self.randomness = Counted(seed)
        self.now = TODAY
        self.draft = v.Draft.create(self.randomness, self.now, **more)
        self.unlock: dict[bytes, dict] = {}
        self.states: list[dict] = []
        self.envelope = b""

    def note(self, name: str):
        self.envelope = self.draft.finish()
        opened = self.reopen()
        state = {"name": name, "epoch": self.draft.epoch, "key_gen": self.draft.key_gen,
                 "manifest_hash": v.h(opened.envelope.manifest_bytes).hex(),
                 "slots": [{"slot_id": slot[v.S_SLOT_ID].hex(), "kind": slot[v.S_KIND],
                            "label": (opened.private(slot[v.S_SLOT_ID]) or {}).get(1)}
                           for slot in opened.manifest[v.M_SLOTS]],
                 "items": [{"item_id": item[v.I_ITEM_ID].hex(), "type": item[v.I_TYPE], "version": item[v.I_VERSION],
                            "plain": v.open_item(opened.keys, item, opened.key_gen).hex()}
                           for item in opened.envelope.items],
                 "unlock_with": [{"slot_id": slot_id.hex()} | secret for slot_id, secret in self.unlock.items()]}
        if self.draft.backup is None:
            state["envelope"] = self.envelope.hex()
        else:
            state["backup_file"] = v.encode_backup_file(self.envelope).hex()
        self.states.append(state)

    def reopen(self) -> v.OpenVault:
        envelope = v.decode_envelope(self.envelope)
        return v.OpenVault(envelope, b"", b"", self.draft.keys, "Unchecked")

    def next(self) -> v.Draft:
        self.now += 60
        self.draft = v.Draft.on(self.reopen(), self.randomness, self.now)
        return self.draft

    def passkey(self, label: str, cred_random: bytes, mode: int, salt: bytes, pin: str | None = None) -> bytes:
        unlock = {3: salt, 4: mode}
        prf = evaluate(cred_random, self.draft.vault_id, unlock)
        argon = CHEAP | {4: self.randomness("pin.salt", 16)} if pin else None
        slot_id = self.draft.enrol_passkey("vault.example", label.encode(), salt, prf, prf, label, mode, pin, argon,
                                           transports=16)
        self.unlock[slot_id] = {"cred_random_with_uv": cred_random.hex()} | ({"pin": pin} if pin else {})
        return slot_id

    def device(self, label: str):
        self.unlock[self.draft.enrol_device(DEVICE, label)] = {"device_secret": DEVICE.hex()}

    def code(self, label: str, kind: int = v.CODE):
        slot_id, text = self.draft.enrol_code(label=label, kind=kind)
        self.unlock[slot_id] = {"code": text}

    def shares(self, label: str, k: int, n: int):
        slot_id, texts = self.draft.enrol_shares(k, n, label)
        self.unlock[slot_id] = {"shares": texts[n - k:][::-1]}
        return slot_id


def evaluate(cred_random: bytes, vault_id: bytes, unlock: dict) -> bytes:
    salt = v.webauthn_prf_salt(v.prf_input(vault_id, unlock))
    return hmac.new(cred_random, salt, hashlib.sha256).digest()


def every_kind(maker: Maker):
    draft = maker.draft
    maker.device("Laptop")
    maker.code("Printed")
    maker.code("A friend", v.CONTACT)
    maker.shares("Family", 3, 5)
    argon = CHEAP | {4: maker.randomness("argon2.salt", 16)}
    maker.unlock[draft.enrol_passphrase("naïve passphrase", argon)] = {"passphrase": "naïve passphrase"}
    one = maker.passkey("one", b"\x01" * 32, v.SALT_PER_SLOT, maker.randomness("prf_salt", 32), "0123")
    vault_salt = maker.randomness("prf_salt.vault", 32)
    maker.passkey("two", b"\x02" * 32, v.SALT_PER_VAULT, vault_salt)
    maker.passkey("three", b"\x03" * 32, v.SALT_PER_VAULT, vault_salt)
    maker.passkey("four", b"\x04" * 32, v.SALT_STATIC, v.zero(32))
    draft.add_item(NOTE, b"a note")
    draft.add_item(NOTE + 1, bytes(range(200)))
    maker.note("every kind of slot")
    return one


def life() -> list[dict]:
    maker = Maker("life")
    one = every_kind(maker)
    draft = maker.next()
    for status, name in ((v.IDLE_CAN_ENCRYPT, "could"), (v.IDLE_SIGN_IN_ONLY, "cannot")):
        draft.add_idle(maker.randomness("slot_id.idle", 16), status,
                       private(name) | {2: "vault.example", 3: name.encode()})
    maker.note("two passkeys that sign in only")
    draft = maker.next()
    salt = maker.randomness("prf_salt.new", 32)
    slot = draft.slots[one]
    prf = evaluate(b"\x01" * 32, draft.vault_id, {3: salt, 4: v.SALT_PER_SLOT})
    draft.resalt(one, salt, v.passkey_ikm(slot[v.S_UNLOCK], v.Secret(prf=prf, pin="0123")))
    maker.note("a slot with a PIN resalted")
    draft = maker.next()
    gone = next(slot_id for slot_id, secret in maker.unlock.items() if "shares" in secret)
    del maker.unlock[gone]
    draft.remove(gone)
    draft.policy = {1: 4, 2: 3, 4: [v.PASSKEY, v.CODE, v.PASSPHRASE, v.CONTACT, v.DEVICE]}
    maker.note("shares removed, and a policy")
    return maker.states


def long_past() -> list[dict]:
    maker = Maker("long past")
    maker.device("Laptop")
    maker.draft.add_item(NOTE, b"old")
    maker.envelope = maker.draft.finish()
    for _ in range(35):
        maker.next().rotate()
        maker.envelope = maker.draft.finish()
    draft = maker.next()
    gone = [draft.enrol_device(bytes([number + 1]) * 32, "Gone") for number in range(34)]
    maker.envelope = draft.finish()
    for slot_id in gone:
        maker.next().remove(slot_id)
        maker.envelope = maker.draft.finish()
    maker.next()
    maker.note("more than 32 ancestors, links and tombstones")
    return maker.states


def backups(of: dict) -> list[dict]:
    """A backup of the last state of a vault, and the one after it, by a rotation of its own."""
    source = v.decode_manifest(v.decode_cbor(bytes.fromhex(of["envelope"]))[1])
    items = of["items"]
    info = {1: TODAY, 2: source[v.M_VAULT_ID], 3: source[v.M_EPOCH], 4: len(items), 5: 1}
    maker = Maker("backup", backup=info, policy={4: source[v.M_POLICY][4]})
    maker.code("Backup code")
    for item in items:
        maker.draft.write_item(bytes.fromhex(item["item_id"]), item["version"], item["type"],
                               bytes.fromhex(item["plain"]))
    maker.note("a backup file")
    draft = maker.next()
    draft.items = {}
    draft.rotate()
    for item in items[:1]:
        draft.write_item(bytes.fromhex(item["item_id"]), item["version"] + 1, item["type"], b"of today")
    draft.backup = info | {1: maker.now, 4: 1}
    maker.note("a backup file made unattended")
    return maker.states


def make() -> dict:
    states = life()
    states += long_past() + backups(states[-1])
    return {"set": "vault/python",
            "description": "Vaults and backups that tests/reference/make_vectors.py wrote, for the library to open",
            "source": {"document": "docs/vault-format.md", "section": "the whole of it"},
            "encoding": "lower-case hex", "count": len(states), "states": states}


if __name__ == "__main__":
    text = json.dumps(make(), indent=1, ensure_ascii=False) + "\n"
    if sys.argv[1:] == ["--write"]:
        FILE.write_text(text)
    else:
        print(text, end="")
