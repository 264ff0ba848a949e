#!/usr/bin/env python3
"""Runs the conformance vectors, and round trips of the writer, against vault.py."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import make_vectors
import vault as v

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
ENVELOPES = json.loads((VECTORS / "vault-v1-envelope.json").read_text())
KDF = json.loads((VECTORS / "vault-v1-kdf.json").read_text())
HPKE = json.loads((VECTORS / "rfc9180_hpke_x25519_sha256_aes256gcm.json").read_text())
VAULTS = {entry["name"]: entry for entry in ENVELOPES["vaults"]}
STATES = [(entry, state) for entry in ENVELOPES["vaults"] for state in entry["states"]]

MADE_BY_LIBRARY = json.loads((VECTORS / "vault" / "states.json").read_text())
MADE_HERE = json.loads((VECTORS / "vault" / "python.json").read_text())
SUITE_2 = json.loads((VECTORS / "vault" / "suite-2.json").read_text())
X_WING = json.loads((VECTORS / "vault" / "x-wing.json").read_text())

x = bytes.fromhex


def vector_secret(given: dict, vault_id: bytes, slot: dict) -> v.Secret:
    """The secret of an `unlock_with` or `given` entry, for this slot."""
    if "cred_random_with_uv" in given:
        salt = v.webauthn_prf_salt(v.prf_input(vault_id, slot[v.S_UNLOCK]))
        prf = hmac.new(x(given["cred_random_with_uv"]), salt, hashlib.sha256).digest()
        return v.Secret(prf=prf, pin=given.get("pin"))
    if "prf" in given:
        return v.Secret(prf=x(given["prf"]))
    if "shares" in given:
        return v.Secret(shares=[v.read_share(text) for text in given["shares"]])
    if "device_secret" in given:
        return v.Secret(device=x(given["device_secret"]))
    return v.Secret(code=given.get("code"), passphrase=given.get("passphrase"))


def loosely_find_slot(envelope: bytes, slot_id: bytes) -> tuple[bytes, dict]:
    """For negatives whose manifest no strict reader decodes: the slot, or an empty stand-in."""
    try:
        manifest = v.decode_cbor(v.decode_cbor(envelope)[1])
        return manifest[2], v.find_slot(manifest, slot_id)
    except (v.VaultError, KeyError):
        return v.zero(16), {v.S_UNLOCK: {3: v.zero(32), 4: 1}}


def open_case(case: dict, envelope: bytes, given: dict, **more) -> v.OpenVault:
    slot_id = x(case["slot_id"])
    vault_id, slot = loosely_find_slot(envelope, slot_id)
    if slot.get(v.S_STATUS, v.ENABLED) != v.ENABLED:
        slot = {v.S_UNLOCK: {3: v.zero(32), 4: 1}}
    return v.open_vault(envelope, slot_id, vector_secret(given, vault_id, slot), **more)


def open_state(state: dict, unlock: dict, **more) -> v.OpenVault:
    more.setdefault("backup_wanted", state["name"] == "backup")
    return open_case(unlock, x(state["envelope"]), unlock, **more)


def whole_form(state: dict) -> bytes:
    """The state's envelope; some of the vectors' envelopes are in index form."""
    envelope = v.decode_cbor(x(state["envelope"]))
    items = [v.decode_cbor(x(item["bytes"])) for item in state["items"]]
    return v.cbor({1: envelope[1], 2: envelope[2], 3: items})


class Dcbor(unittest.TestCase):
    def test_accepts(self):
        for text in ("00", "17", "1818", "18ff", "190100", "1b7fffffffffffffff", "40", "60", "80", "a0", "f4", "f5",
                     "a20001181802", "8181818181818180", "63e282ac"):
            with self.subTest(text):
                self.assertEqual(v.cbor(v.decode_cbor(x(text))).hex(), text)

    def test_refuses(self):
        for text in ("", "1817", "190017", "1900ff", "1a0000ffff", "1b00000000ffffffff", "1b8000000000000000", "20",
                     "c000", "f6", "f7", "f814", "f97e00", "fb3ff0000000000000", "5f4000ff", "9fff", "bfff", "1c",
                     "61ff", "62c080", "a201000000", "a200000000", "a1616100", "a14000", "a1f500", "0000", "41",
                     "9affffffff", "ba7fffffff", "5b7fffffffffffffff", "818181818181818180", "a2181800" "0100"):
            with self.subTest(text), self.assertRaises(v.Malformed):
                v.decode_cbor(x(text))

    def test_depth_counts_containers_only(self):
        self.assertEqual(v.decode_cbor(x("818181818181818100")), [[[[[[[[0]]]]]]]])

    def test_padding(self):
        for size in range(130):
            padded = v.pad(bytes([7]) * size)
            self.assertEqual(len(padded) % 64, 0)
            self.assertGreater(len(padded), size)
            self.assertLessEqual(len(padded), size + 64)
            self.assertEqual(v.unpad(padded), bytes([7]) * size)
        self.assertEqual(v.unpad(v.pad(b"\x80")), b"\x80")
        for bad in (b"", bytes(64), b"\x01" * 64, b"\x80" + bytes(127), b"a\x80", b"\x80" + bytes(62)):
            with self.subTest(bad), self.assertRaises(v.Malformed):
                v.unpad(bad)


class Rfc9180(unittest.TestCase):
    def test_base_and_psk(self):
        ran = 0
        for case in HPKE["vectors"]:
            if case["mode"] not in (0, 1):
                continue
            ran += 1
            with self.subTest(mode=case["mode"]):
                self.check(case)
        self.assertEqual(ran, 2)

    def check(self, case: dict):
        psk, psk_id, info = x(case.get("psk", "")), x(case.get("psk_id", "")), x(case["info"])
        enc, sender = v.hpke_send(x(case["ikmE"]), x(case["pkRm"]), info, psk, psk_id)
        receiver = v.hpke_receive(x(case["skRm"]), enc, info, psk, psk_id)
        self.assertEqual(enc.hex(), case["enc"])
        self.assertEqual(sender, receiver)
        self.assertEqual(sender.shared_secret.hex(), case["shared_secret"])
        self.assertEqual(sender.key.hex(), case["key"])
        self.assertEqual(sender.base_nonce.hex(), case["base_nonce"])
        first = case["encryptions"][0]
        sealed = v.AESGCM(sender.key).encrypt(sender.base_nonce, x(first["pt"]), x(first["aad"]))
        self.assertEqual(sealed.hex(), first["ct"])


class Ed25519Strict(unittest.TestCase):
    def test_small_order_and_non_canonical(self):
        self.assertEqual(len(v.ED_SMALL_ORDER), 5)
        seed, message = bytes(range(32)), b"message"
        public, signature = v.ed25519_public(seed), v.ed25519_sign(seed, message)
        self.assertTrue(v.ed25519_verify_strict(public, signature, message))
        self.assertFalse(v.ed25519_verify_strict(public, signature, b"another"))
        identity = b"\x01" + bytes(31)
        self.assertFalse(v.ed25519_verify_strict(identity, identity + bytes(32), message))
        self.assertFalse(v.ed25519_verify_strict(b"\xff" * 31 + b"\x7f", signature, message))


class Kdf(unittest.TestCase):
    def test_slot_keys(self):
        self.assertEqual(len(KDF["slot_keys"]), 4)
        for case in KDF["slot_keys"]:
            with self.subTest(case["name"]):
                self.check_slot(case)

    def check_slot(self, case: dict):
        vault_id, unlock, secret = x(case["vault_id"]), {}, x(case["secret"])
        if case["kind"] == v.PASSKEY:
            unlock = {1: case["rp_id"], 2: x(case["credential_id"]), 3: x(case["prf_salt"]), 4: 1}
            eval_first = v.prf_input(vault_id, unlock)
            self.assertEqual(eval_first.hex(), case["prf_eval_first"])
            self.assertEqual(v.webauthn_prf_salt(eval_first).hex(), case["hmac_secret_salt1"])
            prf = hmac.new(x(case["cred_random_with_uv"]), v.webauthn_prf_salt(eval_first), hashlib.sha256).digest()
            self.assertEqual(prf, secret)
        ctx = v.slot_ctx(vault_id, x(case["slot_id"]), case["kind"], case["suite"], unlock)
        self.assertEqual(ctx.hex(), case["ctx"])
        k_enc, k_com = v.slot_keys(secret, x(case["kdf_salt"]), ctx)
        self.assertEqual((k_enc.hex(), k_com.hex()), (case["k_enc"], case["k_com"]))

    def test_vault_keys(self):
        case = KDF["vrk"]
        keys = v.VaultKeys(x(case["vault_id"]), x(case["vrk"]))
        self.assertEqual(keys.commit(case["key_gen"]).hex(), case["vrk_commit"])
        self.assertEqual({
            "manifest-mac []": keys.manifest_mac().hex(),
            "sak-wrap [slot_id 10..1f, slot_gen 3]": keys.sak_wrap(bytes(range(0x10, 0x20)), 3).hex(),
            "item-kek [item_id 20..2f, version 5]": keys.item_kek(bytes(range(0x20, 0x30)), 5).hex(),
            "meta []": keys.meta().hex(),
        }, case["derived"])


class Codes(unittest.TestCase):
    case = ENVELOPES["recovery_code"]
    vault_id, code, text = x(case["vault_id"]), x(case["code"]), case["text"]

    def test_text(self):
        self.assertEqual(v.code_text(self.vault_id, self.code), self.text)
        self.assertEqual(self.text, "CS1-CHJP-CSV8-D5N6-PV3D-DSQQ-0WBJ-EDT7-AXKQ-FY")

    def test_reading_is_lenient(self):
        for text in (self.text, self.text.lower(), self.text.replace("-", ""), self.text.replace("-", " "),
                     self.text.replace("0", "o"), self.text.replace("CS1", "csl"), f"  {self.text}\n"):
            with self.subTest(text):
                self.assertEqual(v.read_code(self.vault_id, text), self.code)

    def test_refusals(self):
        for text in (self.text[:-1], self.text + "0", self.text.replace("CHJP", "CHJU"), "CS2" + self.text[3:],
                     self.text.replace("CHJP", "CHJQ"), self.text[:-2] + "00", ""):
            with self.subTest(text), self.assertRaises(v.WrongSecret):
                v.read_code(self.vault_id, text)
        with self.assertRaises(v.WrongSecret):
            v.read_code(b"\xff" * 16, self.text)

    def test_shares(self):
        entry = VAULTS["B: other kinds"]
        texts, shares = entry["share_texts"], [x(share) for share in entry["share_bytes"]]
        randomness = entry["randomness"]
        secret = x(randomness["share.secret"])
        self.assertEqual([v.read_share(text) for text in texts], shares)
        self.assertEqual([v.share_text(share) for share in shares], texts)
        made = v.split_shares(secret, 2, 3, x(randomness["set_id"]), [x(randomness["share.coeff"])])
        self.assertEqual(made, shares)
        for pair in ((0, 1), (2, 0), (1, 2)):
            self.assertEqual(v.join_shares([shares[i] for i in pair]), secret)
        for wrong in ([shares[0]], [shares[0]] * 2, shares, [shares[0], b"\xff" * 8 + shares[1][8:]]):
            with self.assertRaises(v.WrongSecret):
                v.join_shares(wrong)

    def test_spare_bit_of_a_share(self):
        text = VAULTS["B: other kinds"]["share_texts"][0].replace("-", "")[4:]
        odd = v.to_symbols(v.from_symbols(text[:69]) | 1, 69) + text[69:]
        with self.assertRaises(v.WrongSecret):
            v.read_share("CSS1-" + odd)

    def test_shares_of_higher_degree(self):
        coefficients = [os.urandom(32) for _ in range(4)]
        shares = v.split_shares(b"s" * 32, 5, 16, b"setofnow", coefficients)
        self.assertEqual(v.join_shares(shares[11:]), b"s" * 32)


class States(unittest.TestCase):
    def test_counts(self):
        self.assertEqual((len(VAULTS), len(STATES)), (3, 9))

    def each_state(self, check):
        for entry, state in STATES:
            with self.subTest(vault=entry["name"], state=state["name"]):
                check(state)

    def test_every_secret_opens(self):
        self.each_state(self.check_every_secret)

    def check_every_secret(self, state: dict):
        enabled = {slot["slot_id"] for slot in state["slots"] if slot["status"] == v.ENABLED}
        self.assertEqual({unlock["slot_id"] for unlock in state["unlock_with"]}, enabled)
        for unlock in state["unlock_with"]:
            opened = open_state(state, unlock)
            self.assertEqual(opened.keys.vrk.hex(), state["vrk"])
            self.assertEqual(opened.state, "Unchecked")

    def test_vault_values(self):
        self.each_state(self.check_vault_values)

    def check_vault_values(self, state: dict):
        opened = open_state(state, state["unlock_with"][0])
        keys, manifest = opened.keys, opened.manifest
        message = v.lineage_message(opened.vault_id, opened.key_gen, keys.lineage_public())
        self.assertEqual({
            "epoch": manifest[v.M_EPOCH], "key_gen": manifest[v.M_KEY_GEN], "vrk": keys.vrk.hex(),
            "vrk_prk": keys.prk.hex(), "vrk_commit": keys.commit(opened.key_gen).hex(),
            "k_manifest_mac": keys.manifest_mac().hex(), "k_meta": keys.meta().hex(),
            "lineage_seed": keys.lineage_seed().hex(), "lineage_pk": keys.lineage_public().hex(),
            "lineage_msg": message.hex(), "manifest": v.cbor(manifest).hex(),
            "manifest_hash": v.h(opened.envelope.manifest_bytes).hex(),
            "mac": v.manifest_mac(keys, opened.envelope.manifest_bytes).hex(),
            "index": v.cbor(opened.envelope.rows).hex(), "item_root": v.item_root(opened.envelope.rows).hex(),
        }, {key: value for key, value in state.items()
            if key not in ("name", "slots", "items", "unlock_with", "envelope")})

    def test_slot_values(self):
        self.each_state(self.check_slot_values)

    def check_slot_values(self, state: dict):
        opened = open_state(state, state["unlock_with"][0])
        unlocks = {unlock["slot_id"]: unlock for unlock in state["unlock_with"]}
        self.assertEqual([slot["slot_id"] for slot in state["slots"]],
                         [slot[v.S_SLOT_ID].hex() for slot in opened.manifest[v.M_SLOTS]])
        for wanted, slot in zip(state["slots"], opened.manifest[v.M_SLOTS]):
            self.assertEqual(self.slot_values(opened, slot, unlocks.get(wanted["slot_id"]), wanted), wanted)

    def slot_values(self, opened: v.OpenVault, slot: dict, unlock: dict | None, wanted: dict) -> dict:
        vault_id = opened.vault_id
        values = {"slot_id": slot[v.S_SLOT_ID].hex(), "kind": slot[v.S_KIND], "status": slot[v.S_STATUS],
                  "slot_gen": slot[v.S_SLOT_GEN]}
        if unlock is None:
            return values
        ikm = v.slot_ikm(vault_id, slot[v.S_KIND], slot[v.S_UNLOCK], vector_secret(unlock, vault_id, slot))
        k_enc, k_com = v.derive_slot_keys(vault_id, slot, ikm)
        slot_sk, sak = v.open_wrapped(vault_id, slot, k_enc)
        self.assertEqual(v.open_sak_wrap(opened.keys, slot, opened.key_gen), sak)
        info = v.seal_info(vault_id, slot[v.S_SUITE])
        seal = v.hpke_receive(slot_sk, slot[v.S_SEAL][1], info, sak, slot[v.S_SLOT_ID])
        sk_e, enc = v.derive_key_pair(x(wanted["ikm_e"]))
        self.assertEqual(enc, slot[v.S_SEAL][1])
        if slot[v.S_KIND] == v.PASSKEY:
            values["prf_input"] = v.prf_input(vault_id, slot[v.S_UNLOCK]).hex()
        raw = {
            "ikm": ikm, "slot_prk": v.extract(slot[v.S_KDF_SALT], ikm),
            "ctx": v.slot_ctx(vault_id, slot[v.S_SLOT_ID], slot[v.S_KIND], slot[v.S_SUITE], slot[v.S_UNLOCK]),
            "k_enc": k_enc, "k_com": k_com, "slot_sk": slot_sk, "sak": sak,
            "wrapped_aad": v.wrapped_aad(vault_id, slot), "ikm_e": x(wanted["ikm_e"]), "sk_e": sk_e,
            "hpke_shared_secret": seal.shared_secret, "hpke_key": seal.key, "hpke_base_nonce": seal.base_nonce,
            "hpke_info": info,
            "hpke_aad": v.seal_aad(slot, opened.key_gen, opened.keys.commit(opened.key_gen)),
            "sak_wrap_key": opened.keys.sak_wrap(slot[v.S_SLOT_ID], slot[v.S_SLOT_GEN]),
            "sak_wrap_aad": v.sak_aad(vault_id, slot, opened.key_gen),
            "private_plain": v.pad(v.cbor(opened.private(slot[v.S_SLOT_ID]))),
            "private_aad": v.private_aad(vault_id, slot[v.S_SLOT_ID], opened.key_gen),
        }
        return values | {"born": slot[v.S_BORN]} | {name: value.hex() for name, value in raw.items()}

    def test_idle_slot_private(self):
        state = VAULTS["B: other kinds"]["states"][0]
        opened = open_state(state, state["unlock_with"][0])
        idle = [slot for slot in opened.manifest[v.M_SLOTS] if slot[v.S_STATUS] == v.IDLE_CAN_ENCRYPT]
        self.assertEqual(len(idle), 1)
        self.assertIn(2, opened.private(idle[0][v.S_SLOT_ID]))

    def test_item_values(self):
        self.each_state(self.check_item_values)

    def check_item_values(self, state: dict):
        """Both forms: an item of an index form comes as an object of its own."""
        opened = open_state(state, state["unlock_with"][0])
        fetched = [opened.fetched_item(x(item["bytes"])) for item in state["items"]]
        if opened.envelope.items is not None:
            self.assertEqual([item for item, _ in fetched], opened.envelope.items)
        self.assertEqual([self.item_values(opened, item) for item, _ in fetched], state["items"])

    def item_values(self, opened: v.OpenVault, item: dict) -> dict:
        return {
            "item_id": item[1].hex(), "version": item[2], "type": item[3],
            "content_key": v.open_content_key(opened.keys, item, opened.key_gen).hex(),
            "item_kek": opened.keys.item_kek(item[1], item[2]).hex(),
            "item_aad": v.item_aad(opened.vault_id, item).hex(),
            "item_key_aad": v.item_key_aad(opened.vault_id, item, opened.key_gen).hex(),
            "plain": v.open_item(opened.keys, item, opened.key_gen).hex(), "bytes": v.cbor(item).hex(),
        }

    def test_either_form_of_one_state(self):
        self.each_state(self.check_forms)

    def check_forms(self, state: dict):
        for envelope in (whole_form(state), v.index_form(whole_form(state))[0]):
            opened = open_state(state | {"envelope": envelope.hex()}, state["unlock_with"][0])
            self.assertEqual([row[0].hex() for row in opened.envelope.rows], [item["item_id"] for item in state["items"]])

    def test_an_older_object_does_not_match_its_row(self):
        (_, before), (_, after) = STATES[1:3]
        index, _ = v.index_form(whole_form(after))
        opened = open_state(after | {"envelope": index.hex()}, after["unlock_with"][0])
        with self.assertRaises(v.Tampered):
            opened.fetched_item(x(before["items"][1]["bytes"]))

    def test_backup_file(self):
        entry = VAULTS["C: backup of A"]
        file, envelope = x(entry["backup_file"]), x(entry["states"][0]["envelope"])
        self.assertEqual(v.decode_backup_file(file), envelope)
        self.assertEqual(v.encode_backup_file(envelope), file)

    def test_every_link_is_signed(self):
        self.each_state(self.check_links)

    def check_links(self, state: dict):
        manifest = v.decode_manifest(x(state["manifest"]))
        signer = manifest[v.M_LINEAGE][0][2]
        self.assertEqual(manifest[v.M_LINEAGE][0][1], 1)
        for link in manifest[v.M_LINEAGE]:
            message = v.lineage_message(manifest[v.M_VAULT_ID], link[1], link[2])
            self.assertTrue(v.ed25519_verify_strict(signer, link[3], message))
            signer = link[2]


class Memory(unittest.TestCase):
    def test_cases(self):
        self.assertEqual(len(ENVELOPES["memory"]), 8)
        for case in ENVELOPES["memory"]:
            with self.subTest(case["name"]):
                seen = case["memory"] and v.Seen.from_json(case["memory"])
                opened = open_case(case, x(case["envelope"]), case["given"], memory=seen)
                self.assertEqual(opened.state, case["state"])

    def test_the_state_just_seen_is_checked(self):
        for _, state in STATES:
            seen = open_state(state, state["unlock_with"][0]).seen()
            self.assertEqual(open_state(state, state["unlock_with"][0], memory=seen).state, "Checked")

    def test_no_store(self):
        self.assertEqual(open_state(STATES[0][1], STATES[0][1]["unlock_with"][0]).state, "Unchecked")

    def test_another_lineage_key_or_floor(self):
        state = STATES[2][1]
        seen = open_state(state, state["unlock_with"][0]).seen()
        with self.assertRaises(v.Fork):
            open_state(state, state["unlock_with"][0], memory=v.Seen(**vars(seen) | {"lineage_pk": b"\1" * 32}))
        with self.assertRaises(v.Rollback):
            open_state(state, state["unlock_with"][0], memory=v.Seen(**vars(seen) | {"floor": 2}))


# The reason this reader gives for each negative, so that none fails by accident.
REASONS = {
    "PRF of another credential": "wrong secret",
    "PRF output all zero": "not a PRF output",
    "wrong passphrase": "wrong secret",
    "k_com changed (cannot be told from a wrong secret)": "wrong secret",
    "kdf_salt changed": "wrong secret",
    "prf_salt changed": "wrong secret",
    "another vault than the host expects": "another vault",
    "wrapped: one bit of the ciphertext": "wrapped",
    "wrapped swapped between two slots, MAC made right": "wrapped",
    "slot_gen raised, MAC made right": "wrapped",
    "storage seals its own key to slot_pk, HPKE base mode": "seal",
    "storage seals its own key to slot_pk, guessed PSK": "seal",
    "seal of an older key_gen in a newer manifest": "seal",
    "older slot generation of the same key_gen (opens the true key, MAC tells)": "mac",
    "two slots that open to different vault keys": "",
    "manifest: slot made a tombstone by the storage": "mac",
    "item dropped": "item_root",
    "item replaced by its older version": "item_root",
    "lineage: own key of another vault key, MAC made right": "last link",
    "version 2": "unknown version",
    "suite 9": "unknown suite",
    "Argon2 m below the bound": "Argon2",
    "Argon2 m above the bound": "Argon2",
    "Argon2 m*t above the bound": "Argon2",
    "backup in place of a vault": "a backup",
    "thief of the old vault key, key_gen far ahead so that the lineage hides the key last seen": "lineage",
    "older envelope, genuine": "older than",
    "device B's two writes dropped: rejoined to A's branch ten epochs later": "not among the ancestors",
    "thief of the old vault key plants a key in place of the rotation, same key_gen": "lineage",
    "thief of the old vault key plants a key after the rotation": "lineage",
    "keys out of order": "map keys",
    "trailing byte after the envelope": "trailing",
    "trailing byte after the manifest": "trailing",
    "unknown key in the manifest": "unknown key",
    "unknown key in a slot": "unknown key",
    "slots unsorted": "slots not",
    "static salt mode with a salt": "salt mode",
    "per-slot salt mode with no salt": "salt mode",
    "float in place of an integer": "float",
    "tag": "tag",
    "one passkey in two slots": "one passkey",
    "per-vault salt differs between two slots": "two prf_salts",
    "items and index both": "unknown key 4",
    "items unsorted": "items or rows",
    "lineage has a gap": "lineage",
}


class Negatives(unittest.TestCase):
    def test_all(self):
        self.assertEqual({case["name"] for case in ENVELOPES["negative"]}, set(REASONS))
        for case in ENVELOPES["negative"]:
            with self.subTest(case["name"]):
                self.check(case)

    def check(self, case: dict):
        self.assertIsNone(case["item"])
        seen = case["memory"] and v.Seen.from_json(case["memory"])
        expected = case["expect_vault_id"] and x(case["expect_vault_id"])
        with self.assertRaises(v.VaultError) as caught:
            open_case(case, x(case["envelope"]), case["given"], memory=seen, expect_vault_id=expected)
        self.assertEqual(type(caught.exception).__name__, case["error"], str(caught.exception))
        self.assertIn(REASONS[case["name"]], str(caught.exception))


class VectorRandomness:
    """Answers every draw of the writer with the value that the vectors name."""

    def __init__(self, entry: dict, state: dict):
        self.named = entry["randomness"]
        manifest = v.decode_manifest(x(state["manifest"]))
        self.private_nonces = {f"private.nonce.{slot[v.S_SLOT_ID].hex()}": slot[v.S_PRIVATE][1]
                               for slot in manifest[v.M_SLOTS] if v.S_PRIVATE in slot}

    def __call__(self, name: str, count: int) -> bytes:
        value = self.private_nonces[name] if name in self.private_nonces else x(self.named[name])
        assert len(value) == count, name
        return value


class Replay(unittest.TestCase):
    """The writer makes the vectors' envelopes again, byte for byte."""

    def prepare(self, name: str, number: int):
        self.entry = VAULTS[name]
        self.state = self.entry["states"][number]
        self.wanted = v.decode_manifest(x(self.state["manifest"]))
        self.randomness = VectorRandomness(self.entry, self.state)

    def fresh(self, name: str) -> v.Draft:
        self.prepare(name, 0)
        return v.Draft.create(self.randomness, self.wanted[v.M_TIME], policy=self.wanted.get(v.M_POLICY),
                              backup=self.wanted.get(v.M_BACKUP))

    def next(self, name: str, number: int) -> v.Draft:
        self.prepare(name, number)
        before = self.entry["states"][number - 1]
        before = before | {"envelope": whole_form(before).hex()}
        return v.Draft.on(open_state(before, before["unlock_with"][0]), self.randomness, self.wanted[v.M_TIME])

    def enrol(self, draft: v.Draft, slot_name: str):
        slot_id = x(self.entry["randomness"][f"slot_id.{slot_name}"])
        slot = v.find_slot(self.wanted, slot_id)
        draft.enrol(slot[v.S_KIND], slot[v.S_UNLOCK], self.ikm(slot_id), "", slot_id=slot_id,
                    private=self.private(slot_id), transports=slot.get(v.S_TRANSPORTS))

    def vector_slot(self, slot_id: bytes) -> dict:
        return next(slot for slot in self.state["slots"] if slot["slot_id"] == slot_id.hex())

    def ikm(self, slot_id: bytes) -> bytes:
        return x(self.vector_slot(slot_id)["ikm"])

    def private(self, slot_id: bytes) -> dict:
        return v.decode_cbor(v.unpad(x(self.vector_slot(slot_id)["private_plain"])))

    def add_items(self, draft: v.Draft):
        for item in self.state["items"]:
            draft.add_item(item["type"], x(item["plain"]), x(item["item_id"]))

    def finish(self, draft: v.Draft):
        envelope = draft.finish()
        if 4 in v.decode_cbor(x(self.state["envelope"])):
            envelope, _ = v.index_form(envelope)
        self.assertEqual(envelope.hex(), self.state["envelope"])

    def test_life_of_a_vault(self):
        name = "A: life of a vault"
        draft = self.fresh(name)
        self.enrol(draft, "passkey-1")
        self.enrol(draft, "code-1")
        self.finish(draft)

        draft = self.next(name, 1)
        self.enrol(draft, "passphrase-1")
        self.enrol(draft, "passkey-2")
        self.add_items(draft)
        self.finish(draft)

        draft = self.next(name, 2)
        changed = x(self.entry["randomness"]["item_id.1"])
        plain = next(item["plain"] for item in self.state["items"] if item["item_id"] == changed.hex())
        draft.edit_item(changed, x(plain))
        self.finish(draft)

        draft = self.next(name, 3)
        draft.rotate()
        self.finish(draft)

        passkey = x(self.entry["randomness"]["slot_id.passkey-1"])
        draft = self.next(name, 4)
        draft.refresh(passkey, self.ikm(passkey))
        self.finish(draft)

        draft = self.next(name, 5)
        draft.resalt(passkey, x(self.entry["randomness"]["prf_salt.1b"]), self.ikm(passkey))
        self.finish(draft)

        draft = self.next(name, 6)
        draft.remove(x(self.entry["randomness"]["slot_id.passphrase-1"]))
        self.finish(draft)

    def test_other_kinds(self):
        draft = self.fresh("B: other kinds")
        for slot_name in ("static", "vault-1", "vault-2", "shares", "contact", "device"):
            self.enrol(draft, slot_name)
        state = self.state
        idle_id = x(self.entry["randomness"]["slot_id.idle"])
        private = open_state(state, state["unlock_with"][0]).private(idle_id)
        draft.add_idle(idle_id, v.IDLE_CAN_ENCRYPT, private)
        self.add_items(draft)
        self.finish(draft)

    def test_backup(self):
        draft = self.fresh("C: backup of A")
        self.enrol(draft, "code")
        self.add_items(draft)
        self.finish(draft)


class RoundTrips(unittest.TestCase):
    """The writer with randomness of its own, read back by every slot."""

    def setUp(self):
        draft = v.Draft.create()
        self.prf, self.device = os.urandom(32), os.urandom(32)
        self.secrets = {}
        passkey = draft.enrol_passkey("vault.example", b"credential", os.urandom(32), self.prf, self.prf)
        code, text = draft.enrol_code()
        device = draft.enrol_device(self.device)
        argon = {1: 19456, 2: 2, 3: 1, 4: os.urandom(16)}
        passphrase = draft.enrol_passphrase("Ünïcode passphrase", argon)
        shares, share_texts = draft.enrol_shares(3, 5)
        contact, contact_text = draft.enrol_code(kind=v.CONTACT, label="contact")
        self.passkey, self.code, self.passphrase = passkey, code, passphrase
        self.secrets = {
            passkey: v.Secret(prf=self.prf), code: v.Secret(code=text), device: v.Secret(device=self.device),
            passphrase: v.Secret(passphrase="U\u0308nïcode passphrase"), contact: v.Secret(code=contact_text),
            shares: v.Secret(shares=[v.read_share(share) for share in share_texts[1:4]])}
        self.item = draft.add_item(64, b"an item")
        self.envelope = draft.finish()
        self.seen = self.open(passkey).seen()

    def open(self, slot_id: bytes, memory=v.NO_STORE) -> v.OpenVault:
        return v.open_vault(self.envelope, slot_id, self.secrets[slot_id], memory)

    def draft(self, slot_id: bytes | None = None) -> tuple[v.Draft, v.OpenVault]:
        opened = self.open(slot_id or self.passkey, self.seen)
        self.assertEqual(opened.state, "Checked")
        return v.Draft.on(opened), opened

    def finish(self, draft: v.Draft):
        self.envelope = draft.finish()
        for slot_id in self.secrets:
            opened = self.open(slot_id, self.seen)
            self.assertEqual(opened.state, "Checked")
        self.seen = opened.seen()

    def test_every_slot_opens(self):
        for slot_id in self.secrets:
            self.assertEqual(self.open(slot_id).item(self.item), b"an item")
            with self.assertRaises(v.WrongSecret):
                v.open_vault(self.envelope, slot_id, v.Secret(
                    prf=b"\1" * 32, code=b"\1" * 20, passphrase="no", device=b"\1" * 32,
                    shares=v.split_shares(b"\1" * 32, 3, 5, bytes(8), [b"\1" * 32] * 2)))

    def test_life(self):
        draft, _ = self.draft()
        draft.edit_item(self.item, b"changed")
        added = draft.add_item(1, b"x" * 1000)
        self.finish(draft)

        draft, _ = self.draft(self.code)
        draft.rotate()
        self.finish(draft)
        opened = self.open(self.passkey)
        self.assertEqual((opened.key_gen, opened.item(self.item), opened.item(added)), (2, b"changed", b"x" * 1000))

        draft, opened = self.draft(self.passkey)
        draft.refresh(self.passkey, opened.ikm)
        self.finish(draft)
        slot = v.find_slot(self.open(self.code).manifest, self.passkey)
        self.assertEqual((slot[v.S_SLOT_GEN], slot[v.S_BORN]), (2, 2))

        draft, opened = self.draft(self.passkey)
        draft.rotate()
        draft.refresh(self.passkey, opened.ikm)
        draft.delete_item(added)
        self.finish(draft)

        draft, _ = self.draft()
        draft.remove(self.passphrase)
        removed = self.secrets.pop(self.passphrase)
        self.finish(draft)
        opened = self.open(self.passkey)
        self.assertEqual(opened.key_gen, 4)
        self.assertEqual([row[0] for row in opened.envelope.rows], [self.item])
        self.assertEqual(opened.private(self.code)[1], "recovery code")
        with self.assertRaises(v.WrongSecret):
            v.open_vault(self.envelope, self.passphrase, removed)

    def test_many_epochs_and_rotations(self):
        first = self.seen
        for _ in range(40):
            draft, _ = self.draft()
            draft.rotate()
            self.envelope = draft.finish()
            self.seen = self.open(self.passkey).seen()
        opened = self.open(self.code)
        self.assertEqual(len(opened.manifest[v.M_LINEAGE]), 32)
        self.assertEqual(len(opened.manifest[v.M_ANCESTORS]), 32)
        with self.assertRaises(v.Fork):
            self.open(self.code, first)

    def test_old_vault_key_opens_nothing_new(self):
        old = self.open(self.passkey).keys
        draft, _ = self.draft()
        draft.rotate()
        self.finish(draft)
        new = self.open(self.passkey)
        for slot in v.enabled_slots(new.manifest):
            for key_gen in (1, 2):
                with self.assertRaises(v.Tampered):
                    v.open_sak_wrap(old, slot, key_gen)
        with self.assertRaises(v.Tampered):
            v.authenticate(new.envelope, old)

    def test_fork_and_rollback(self):
        base_envelope, base_seen = self.envelope, self.seen
        draft, opened = self.draft()
        other = v.Draft.on(opened)
        self.finish(draft)
        after, after_seen = self.envelope, self.seen
        self.envelope = base_envelope
        with self.assertRaises(v.Rollback):
            self.open(self.passkey, after_seen)
        other.add_item(64, b"the other branch")
        self.envelope = other.finish()
        self.assertEqual(self.open(self.passkey, base_seen).state, "Checked")
        with self.assertRaises(v.Fork):
            self.open(self.passkey, after_seen)
        self.assertNotEqual(after, self.envelope)

    def test_guards(self):
        draft, _ = self.draft()
        with self.assertRaises(v.WrongSecret):
            draft.enrol_passkey("vault.example", b"another", os.urandom(32), b"\1" * 32, b"\2" * 32)
        for slot_id in list(self.secrets)[1:]:
            draft.remove(slot_id)
        with self.assertRaises(v.PolicyViolation):
            draft.remove(self.passkey)

    def test_sixth_passkey_is_refused(self):
        draft, _ = self.draft()
        for number in range(5):
            draft.enrol_passkey("vault.example", b"c%d" % number, os.urandom(32), self.prf, self.prf)
        with self.assertRaises(v.PolicyViolation):
            draft.finish()

    def test_tombstones_are_pruned(self):
        draft, _ = self.draft()
        draft.rotate = lambda: None
        for number in range(33):
            draft.remove(draft.enrol_device(os.urandom(32)))
        tombstones = [slot for slot in draft.slots.values() if slot[v.S_STATUS] == v.TOMBSTONE]
        self.assertEqual(len(tombstones), 32)


class Ancestors(unittest.TestCase):
    def test_cut_keeps_whole_epochs(self):
        pasts = [[epoch, bytes([side]) * 32] for epoch in range(1, 21) for side in (2, 1)]
        cut = v.cut_ancestors(pasts)
        self.assertEqual((len(cut), cut[0], cut[-1]), (32, [20, b"\1" * 32], [5, b"\2" * 32]))
        cut = v.cut_ancestors(pasts + [[21, b"\1" * 32]])
        self.assertEqual((len(cut), cut[-1]), (31, [6, b"\2" * 32]))


class Schema(unittest.TestCase):
    """Malformed and Unsupported cases of the text that the vectors leave out."""

    def manifest(self, number: int = 6) -> dict:
        return v.decode_cbor(x(STATES[number][1]["manifest"]))

    def refuses(self, error, change, number: int = 6):
        manifest = self.manifest(number)
        change(manifest)
        with self.assertRaises(error):
            v.decode_manifest(v.cbor(manifest))

    def test_manifest(self):
        def put(key, value):
            return lambda manifest: manifest.__setitem__(key, value)

        self.assertTrue(v.decode_manifest(v.cbor(self.manifest())))
        for key, value in ((2, bytes(16)), (3, 0), (4, 0), (5, []), (7, 0), (8, []), (10, []), (11, True), (12, {3: False}),
                           (12, {4: []}), (12, {4: [2, 1]}), (12, {4: [1, 1]}), (12, {1: 17}), (13, {}), (1, "1")):
            with self.subTest(key=key, value=value):
                self.refuses(v.Malformed, put(key, value))
        for key, value in ((7, 3), (1, 0), (12, {4: [1, 7]})):
            with self.subTest(key=key, value=value):
                self.refuses(v.Unsupported, put(key, value))

    def test_ancestors(self):
        def put(change):
            return lambda manifest: manifest.__setitem__(5, change(manifest[5]))

        for change in (lambda past: past[::-1], lambda past: past[:1] + past, lambda past: [[7, bytes(32)]] + past,
                       lambda past: past + [[0, bytes(32)]]):
            self.refuses(v.Malformed, put(change))
        self.refuses(v.Malformed, put(lambda past: [[1, bytes(32)]]), number=0)

    def test_slots(self):
        def put(index, key, value):
            return lambda manifest: manifest[8][index].__setitem__(key, value)

        for index, key, value in ((0, 6, 4), (3, 6, 4), (0, 3, 5), (0, 15, 0), (0, 15, 64), (2, 15, 1), (0, 11, bytes(31)),
                                  (0, 4, 0), (0, 7, {}), (2, 7, {1: 1}), (3, 8, bytes(32)), (0, 5, 2)):
            with self.subTest(index=index, key=key):
                self.refuses(v.Malformed, put(index, key, value))
        self.refuses(v.Unsupported, put(2, 2, 7))
        self.refuses(v.Unsupported, put(3, 2, 0))

    def test_caps(self):
        with self.assertRaises(v.Malformed):
            v.decode_manifest(bytes(v.MAX_MANIFEST + 1))

    def test_low_order_seal(self):
        state = STATES[0][1]
        envelope = v.decode_cbor(x(state["envelope"]))
        manifest = v.decode_cbor(envelope[1])
        manifest[8][0][12][1] = bytes(32)
        envelope[1] = v.cbor(manifest)
        with self.assertRaises(v.Tampered):
            open_state(state | {"envelope": v.cbor(envelope).hex()}, state["unlock_with"][0])

    def test_policy(self):
        state = VAULTS["B: other kinds"]["states"][0]
        manifest = v.decode_manifest(x(state["manifest"]))
        v.check_policy(manifest)
        for policy in ({1: 2}, {2: 7}, {3: True}, {4: [1, 4, 5]}):
            with self.subTest(policy), self.assertRaises(v.PolicyViolation):
                v.check_policy(manifest | {v.M_POLICY: policy})
        with self.assertRaises(v.PolicyViolation):
            v.check_policy(manifest | {v.M_FLOOR: 2})
        with self.assertRaises(v.PolicyViolation):
            v.check_policy(manifest, backup_wanted=True)


class ByAKeyHolder(unittest.TestCase):
    """Faults that only somebody with the keys can make, each seen by the check that is meant for it."""

    def setUp(self):
        self.draft, self.device = v.Draft.create(), b"\7" * 32
        self.slot_id = self.draft.enrol_device(self.device)
        self.slot = self.draft.slots[self.slot_id]

    def open(self, draft: v.Draft, memory=v.NO_STORE):
        return v.open_vault(draft.finish(), self.slot_id, v.Secret(device=self.device), memory)

    def refuses(self, error, detail: str, memory=v.NO_STORE):
        with self.assertRaises(error) as caught:
            self.open(self.draft, memory)
        self.assertIn(detail, str(caught.exception))

    def test_slot_sk_of_another_slot_pk(self):
        k_enc, _ = v.derive_slot_keys(self.draft.vault_id, self.slot, self.device)
        aad = v.wrapped_aad(self.draft.vault_id, self.slot)
        self.slot[v.S_WRAPPED] = v.aead_box(k_enc, os.urandom(12), os.urandom(64), aad)
        self.refuses(v.Tampered, "slot_pk")

    def test_vrk_commit_of_another_key(self):
        k_enc, _ = v.derive_slot_keys(self.draft.vault_id, self.slot, self.device)
        _, sak = v.open_wrapped(self.draft.vault_id, self.slot, k_enc)
        self.draft.keys.commit = lambda key_gen: bytes(32)
        self.draft.seal_vrk(self.slot, sak)
        self.refuses(v.Tampered, "vrk_commit")

    def test_private_padding_is_malformed(self):
        aad = v.private_aad(self.draft.vault_id, self.slot_id, 1)
        self.slot[v.S_PRIVATE] = v.aead_box(self.draft.keys.meta(), os.urandom(12), bytes(64), aad)
        with self.assertRaises(v.Malformed):
            self.open(self.draft).private(self.slot_id)

    def later(self) -> v.Seen:
        base = self.open(self.draft)
        self.draft = v.Draft.on(base)
        return base.seen()

    def test_lower_key_gen_at_a_higher_epoch(self):
        seen = self.later()
        seen.key_gen = 2
        self.refuses(v.Rollback, "older", seen)

    def test_another_hash_at_the_lowest_epoch_listed(self):
        seen = self.later()
        seen.hash = bytes(32)
        self.refuses(v.Fork, "ancestors", seen)

    def test_a_gap_does_not_excuse_the_lineage(self):
        seen = self.later()
        self.later()
        self.draft.ancestors = self.draft.ancestors[:1]
        self.assertEqual(self.open(self.draft, seen).state, "CheckedGap")
        seen.lineage_pk = bytes(32)
        self.refuses(v.Fork, "lineage", seen)

    def test_five_passphrases(self):
        for _ in range(5):
            self.draft.enrol(v.PASSPHRASE, {1: 19456, 2: 2, 3: 1, 4: os.urandom(16)}, bytes(32), "passphrase")
        self.refuses(v.Malformed, "passphrase")

    def test_more_shares_needed_than_made(self):
        self.draft.enrol(v.SHARES, {1: 3, 2: 2, 3: bytes(8)}, bytes(32), "shares")
        self.refuses(v.Malformed, "shares")

    def test_rp_id_in_upper_case(self):
        self.draft.enrol(v.PASSKEY, {1: "Vault.example", 2: b"c", 3: b"\1" * 32, 4: 1}, b"\1" * 32, "passkey")
        self.refuses(v.Malformed, "rp_id")


class CommandLine(unittest.TestCase):
    def run_tool(self, *arguments, status: int = 0) -> dict:
        tool = Path(__file__).with_name("vault.py")
        done = subprocess.run([sys.executable, str(tool), *arguments], capture_output=True, text=True)
        self.assertEqual(done.returncode, status, done.stderr)
        return json.loads(done.stdout)

    def test_write_open_edit(self):
        with tempfile.TemporaryDirectory() as folder:
            secret, first, second, memory = (str(Path(folder) / name) for name in ("secret", "one", "two", "memory"))
            prf, salt, vault_id = os.urandom(32), os.urandom(32), os.urandom(16)
            Path(secret).write_text(prf.hex() + "\n")
            made = self.run_tool("write", first, "--kind", "prf", "--secret-file", secret, "--rp-id", "vault.example",
                                 "--credential-id", "c0ffee", "--prf-salt", salt.hex(), "--vault-id", vault_id.hex(),
                                 "--recovery-code", "--item", "64:616263", "--item", "1:00")
            slot = next(slot for slot in self.run_tool("inspect", first)["slots"] if slot["kind"] == v.PASSKEY)
            self.assertEqual(slot["prf_input"], (v.L("prf") + vault_id + salt).hex())
            unlock = ("--slot", made["slot_id"], "--secret-file", secret, "--kind", "prf")
            opened = self.run_tool("open", first, *unlock)
            self.assertEqual((opened["state"], sorted(item["plaintext"] for item in opened["items"])),
                             ("FirstUse", ["00", "616263"]))
            Path(memory).write_text(json.dumps(opened["seen"]))
            self.run_tool("edit", first, second, *unlock, "--rotate", "--refresh", "--put", "65:ff",
                          "--set", f"{made['items'][0]}:64", "--delete", made["items"][1])
            opened = self.run_tool("open", second, *unlock, "--memory", memory)
            self.assertEqual((opened["state"], opened["key_gen"]), ("Checked", 2))
            self.assertEqual(sorted((item["type"], item["version"], item["plaintext"]) for item in opened["items"]),
                             [(64, 2, "64"), (65, 1, "ff")])
            Path(memory).write_text(json.dumps(opened["seen"]))
            self.assertEqual(self.run_tool("open", first, *unlock, "--memory", memory, status=1)["error"], "Rollback")
            Path(secret).write_text(made["recovery_code"])
            opened = self.run_tool("open", second, "--slot", made["code_slot_id"], "--secret-file", secret)
            self.assertEqual(opened["epoch"], 2)

    def test_device_and_backup(self):
        with tempfile.TemporaryDirectory() as folder:
            secret, out = str(Path(folder) / "secret"), str(Path(folder) / "out")
            Path(secret).write_text("07" * 32)
            made = self.run_tool("write", out, "--kind", "device", "--secret-file", secret)
            self.assertEqual(self.run_tool("open", out, "--slot", made["slot_id"], "--secret-file", secret)["items"], [])
            entry = VAULTS["C: backup of A"]
            Path(out).write_bytes(x(entry["backup_file"]))
            unlock = entry["states"][0]["unlock_with"][0]
            Path(secret).write_text(unlock["code"])
            opened = self.run_tool("open", out, "--backup", "--slot", unlock["slot_id"], "--secret-file", secret)
            self.assertEqual(len(opened["items"]), 2)


class Suite2(unittest.TestCase):
    """The KEM's step is a fixture: the first vector of x-wing.json says which secret belongs to slot_pk and enc."""

    def test_a_seal_of_suite_2(self):
        envelope = v.decode_envelope(x(SUITE_2["envelope"]))
        manifest, randomness, kem = envelope.manifest, SUITE_2["randomness"], X_WING["vectors"][0]
        given = next(slot for slot in SUITE_2["slots"] if slot["suite"] == v.SUITE_XWING)
        slot = v.take_enabled_slot(manifest, x(given["slot_id"]))
        self.assertEqual((slot[v.S_SLOT_PK].hex(), slot[v.S_SEAL][1].hex()), (kem["pk"], kem["ct"]))
        with self.assertRaises(v.Unsupported):
            v.unlock_slot(manifest[v.M_VAULT_ID], slot, v.Secret(device=x(given["device_secret"])))
        vault_id = manifest[v.M_VAULT_ID]
        k_enc, k_com = v.derive_slot_keys(vault_id, slot, x(given["device_secret"]))
        self.assertEqual(k_com, slot[v.S_K_COM])
        own = v.aead_open(k_enc, slot[v.S_WRAPPED], v.wrapped_aad(vault_id, slot), "wrapped")
        self.assertEqual((own[:32].hex(), own[:32].hex()), (kem["seed"], randomness["slot_sk.2"]))
        context = v.hpke_key_schedule(v.MODE_PSK, x(kem["ss"]), v.seal_info(vault_id, v.SUITE_XWING), own[32:],
                                      slot[v.S_SLOT_ID], v.HPKE_SUITE_XWING)
        aad = v.seal_aad(slot, manifest[v.M_KEY_GEN], manifest[v.M_VRK_COMMIT])
        vrk = v.aead_open(context.key, {1: context.base_nonce, 2: slot[v.S_SEAL][2]}, aad, "seal")
        self.assertEqual(vrk.hex(), randomness["vrk"])
        v.authenticate(envelope, v.VaultKeys(vault_id, vrk))


def made_state(name: str, states: list) -> dict:
    return next(state for state in states if state["name"] == name)


def made_envelope(state: dict) -> bytes:
    return v.decode_backup_file(x(state["backup_file"])) if "backup_file" in state else x(state["envelope"])


def open_made(state: dict, number: int = 0, **more) -> v.OpenVault:
    unlock = state["unlock_with"][number]
    return open_case(unlock, made_envelope(state), unlock, backup_wanted="backup_file" in state, **more)


class Made(unittest.TestCase):
    """States that the library made (states.json), and those made here, read alike."""

    def test_every_state_by_every_secret(self):
        self.assertEqual(MADE_BY_LIBRARY["count"], len(MADE_BY_LIBRARY["states"]))
        for states in (MADE_BY_LIBRARY["states"], MADE_HERE["states"]):
            for state in states:
                for number in range(len(state["unlock_with"])):
                    with self.subTest(state["name"], number=number):
                        self.check(state, open_made(state, number))

    def check(self, state: dict, opened: v.OpenVault):
        manifest = opened.manifest
        self.assertEqual((state["epoch"], state["key_gen"]), (manifest[v.M_EPOCH], manifest[v.M_KEY_GEN]))
        self.assertEqual(state["manifest_hash"], v.h(opened.envelope.manifest_bytes).hex())
        self.assertEqual(len(state["slots"]), len(manifest[v.M_SLOTS]))
        for given, slot in zip(state["slots"], manifest[v.M_SLOTS]):
            private = opened.private(slot[v.S_SLOT_ID]) or {}
            self.assertEqual((given["slot_id"], given["kind"]), (slot[v.S_SLOT_ID].hex(), slot[v.S_KIND]))
            self.assertEqual(given["label"], private.get(1))
            if given.get("idle_credential_id"):
                self.assertEqual(x(given["idle_credential_id"]), private[3])
            if slot[v.S_STATUS] == v.ENABLED:
                v.open_sak_wrap(opened.keys, slot, opened.key_gen)
        self.assertEqual(len(state["items"]), len(opened.envelope.items))
        for given, item in zip(state["items"], opened.envelope.items):
            self.assertEqual((x(given["item_id"]), given["type"], given["version"], x(given["plain"])),
                             (item[v.I_ITEM_ID], item[v.I_TYPE], item[v.I_VERSION], opened.item(item[v.I_ITEM_ID])))

    def test_a_memory_follows_the_library_through_the_states(self):
        self.follow([state for state in MADE_BY_LIBRARY["states"] if "backup_file" not in state
                     and state["name"] not in ("one head", "both heads reconciled")])

    def follow(self, states: list):
        memory = None
        for state in states:
            with self.subTest(state["name"]):
                opened = open_made(state, memory=memory)
                far = memory is not None and opened.manifest[v.M_EPOCH] > memory.epoch + 32
                self.assertEqual(opened.state, "FirstUse" if memory is None else "CheckedGap" if far else "Checked")
                memory = opened.seen()

    def test_statuses(self):
        def statuses(name):
            manifest = open_made(made_state(name, MADE_BY_LIBRARY["states"])).manifest
            return sorted(slot[v.S_STATUS] for slot in manifest[v.M_SLOTS])
        self.assertEqual(statuses("two passkeys that sign in only"), [1, 1, 1, 1, 2, 3])
        self.assertEqual(statuses("a passkey enabled in place"), [1, 1, 1, 1, 1, 3])
        self.assertEqual(statuses("shares removed without a rotation"), [1, 1, 1, 1, 3, 4])
        self.assertEqual(statuses("a passkey that signs in only again"), [1, 1, 1, 2, 3, 4])

    def test_limits(self):
        for states in (MADE_BY_LIBRARY["states"], MADE_HERE["states"]):
            manifest = open_made(made_state("more than 32 ancestors, links and tombstones", states)).manifest
            tombstones = [slot for slot in manifest[v.M_SLOTS] if slot[v.S_STATUS] == v.TOMBSTONE]
            self.assertEqual((len(manifest[v.M_ANCESTORS]), len(manifest[v.M_LINEAGE]), len(tombstones)), (32, 32, 32))

    def test_reencryption_and_resalt(self):
        states = MADE_BY_LIBRARY["states"]
        before, after = (made_state(name, states) for name in
                         ("a slot with a PIN resalted", "rotated, every item encrypted anew"))
        self.assertEqual([item["version"] + 1 for item in before["items"]], [item["version"] for item in after["items"]])
        keys = [{v.open_content_key(opened.keys, item, opened.key_gen) for item in opened.envelope.items}
                for opened in map(open_made, (before, after))]
        self.assertFalse(keys[0] & keys[1])
        salted = open_made(made_state("the code tested", states)), open_made(before)
        slot_id = x(before["unlock_with"][1]["slot_id"])
        old, new = (v.find_slot(opened.manifest, slot_id) for opened in salted)
        self.assertEqual((old[v.S_UNLOCK][3], new[v.S_UNLOCK][3]), (b"\1" * 32, b"\3" * 32))
        self.assertEqual(old[v.S_UNLOCK][5], new[v.S_UNLOCK][5])

    def test_reconciled(self):
        one, two, both = (made_state(name, MADE_BY_LIBRARY["states"]) for name in
                          ("one head", "the other head", "both heads reconciled"))
        heads = [open_made(state) for state in (one, two)]
        joined = open_made(both)
        self.assertEqual(joined.manifest[v.M_EPOCH], max(head.manifest[v.M_EPOCH] for head in heads) + 1)
        self.assertEqual(joined.manifest[v.M_ANCESTORS],
                         v.reconciled_ancestors(*(head.envelope for head in heads)))
        self.assertTrue({item["plain"] for state in (one, two) for item in state["items"]}
                        <= {item["plain"] for item in both["items"]})
        # Whoever saw either head goes on; the base is the one that rotated.
        for head in heads:
            self.assertEqual(open_made(both, memory=head.seen()).state, "Checked")

    def test_backups(self):
        for states in (MADE_BY_LIBRARY["states"], MADE_HERE["states"]):
            first, following = (open_made(made_state(name, states)) for name in
                                ("a backup file", "a backup file made unattended"))
            for opened in (first, following):
                self.assertEqual(opened.manifest[v.M_BACKUP][4], len(opened.envelope.items))
                with self.assertRaises(v.PolicyViolation):
                    v.check_policy(opened.manifest, False)
            again = open_made(made_state("a backup file made unattended", states), memory=first.seen())
            self.assertEqual((again.state, again.key_gen), ("Checked", first.key_gen + 1))

    def test_what_a_vault_keeps_of_its_backup(self):
        states = MADE_BY_LIBRARY["states"]
        backup = open_made(made_state("a backup file", states))
        vault = made_state("what a vault keeps of its backup", states)
        plain = next(item["plain"] for item in vault["items"] if item["type"] == 2)
        manifest, vrk, covered = v.backup_lineage(x(plain))
        self.assertEqual((manifest, vrk), (backup.manifest, backup.keys.vrk))
        self.assertEqual(covered, {item[v.I_ITEM_ID][:8]: item[v.I_VERSION] for item in backup.envelope.items})

    def test_making_ours_again_gives_the_same_bytes(self):
        self.assertEqual(make_vectors.make(), MADE_HERE)


if __name__ == "__main__":
    unittest.main()
