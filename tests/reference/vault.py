#!/usr/bin/env python3
"""Reference reader and writer of the countersign vault format, version 1, suite 1.

Written from docs/vault-format.md alone, as a second opinion on it. For tests only: nothing
here is constant time, nothing is wiped, and clarity comes before speed.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import sys
import time as clock
import unicodedata
from dataclasses import dataclass, field

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


# --------------------------------------------------------------------------------------
# Error classes
# --------------------------------------------------------------------------------------

class VaultError(Exception):
    """Base of the error classes that the format names."""


class Malformed(VaultError):
    pass


class Unsupported(VaultError):
    pass


class WrongSecret(VaultError):
    """Wrong secret, or an altered slot: the two cannot be told apart."""


class Tampered(VaultError):
    pass


class PolicyViolation(VaultError):
    pass


class Rollback(VaultError):
    pass


class Fork(VaultError):
    pass


# --------------------------------------------------------------------------------------
# dCBOR: the subset of RFC 8949 §4.2.1 that the format uses
# --------------------------------------------------------------------------------------

UINT, BSTR, TSTR, ARRAY, MAP, SIMPLE = 0, 2, 3, 4, 5, 7
MAX_DEPTH = 8
U63_MAX = 2**63 - 1


def cbor_head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * size:
            return bytes([major << 5 | info]) + argument.to_bytes(size, "big")
    raise ValueError("number too large for CBOR")


def cbor(value) -> bytes:
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        if not 0 <= value <= U63_MAX:
            raise ValueError("number outside 0..2^63-1")
        return cbor_head(UINT, value)
    if isinstance(value, bytes):
        return cbor_head(BSTR, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return cbor_head(TSTR, len(text)) + text
    if isinstance(value, (list, tuple)):
        return cbor_head(ARRAY, len(value)) + b"".join(map(cbor, value))
    if isinstance(value, dict):
        pairs = sorted((cbor(key), cbor(content)) for key, content in value.items())
        return cbor_head(MAP, len(pairs)) + b"".join(key + content for key, content in pairs)
    raise TypeError(f"no dCBOR for {type(value).__name__}")


class CborReader:
    def __init__(self, data: bytes):
        self.data = data
        self.at = 0

    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        if count > self.left():
            raise Malformed("CBOR ends early")
        self.at += count
        return self.data[self.at - count:self.at]

    def head(self) -> tuple[int, int]:
        initial = self.take(1)[0]
        major, info = initial >> 5, initial & 31
        if major == SIMPLE:
            if info not in (20, 21):
                raise Malformed("float, null or another simple value")
            return major, info
        if major not in (UINT, BSTR, TSTR, ARRAY, MAP):
            raise Malformed("negative number or tag")
        if info < 24:
            return major, info
        if info > 27:
            raise Malformed("indefinite length or reserved head")
        size = 1 << info - 24
        argument = int.from_bytes(self.take(size), "big")
        if argument < (24 if size == 1 else 1 << 4 * size):
            raise Malformed("head is not the shortest")
        if argument > U63_MAX:
            raise Malformed("number not below 2^63")
        return major, argument

    def value(self, depth: int = 0):
        major, argument = self.head()
        if major == UINT:
            return argument
        if major == BSTR:
            return self.take(argument)
        if major == TSTR:
            return self.text(argument)
        if major == SIMPLE:
            return argument == 21
        if depth == MAX_DEPTH:
            raise Malformed("more than 8 containers inside one another")
        return self.array(argument, depth + 1) if major == ARRAY else self.map(argument, depth + 1)

    def text(self, count: int) -> str:
        try:
            return self.take(count).decode("utf-8", "strict")
        except UnicodeDecodeError:
            raise Malformed("text is not UTF-8") from None

    def array(self, count: int, depth: int) -> list:
        if count > self.left():
            raise Malformed("array count beyond the bytes left")
        return [self.value(depth) for _ in range(count)]

    def map(self, count: int, depth: int) -> dict:
        if 2 * count > self.left():
            raise Malformed("map count beyond the bytes left")
        result, last = {}, -1
        for _ in range(count):
            major, key = self.head()
            if major != UINT:
                raise Malformed("map key is not a uint")
            if key <= last:
                raise Malformed("map keys unsorted or repeated")
            result[key], last = self.value(depth), key
        return result


def decode_cbor(data: bytes):
    reader = CborReader(data)
    value = reader.value()
    if reader.left():
        raise Malformed("trailing bytes")
    return value


# --------------------------------------------------------------------------------------
# Notation and primitives
# --------------------------------------------------------------------------------------

def h(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def L(name: str) -> bytes:
    return b"countersign/v1/" + name.encode() + b"\0"


def C(*values) -> bytes:
    return cbor(list(values))


def u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def zero(count: int) -> bytes:
    return bytes(count)


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def extract(salt: bytes, ikm: bytes) -> bytes:
    return hmac_sha256(salt, ikm)


def expand(prk: bytes, info: bytes, length: int) -> bytes:
    output = block = b""
    counter = 1
    while len(output) < length:
        block = hmac_sha256(prk, block + info + bytes([counter]))
        output += block
        counter += 1
    return output[:length]


PAD = 64


def pad(plain: bytes) -> bytes:
    return plain + b"\x80" + zero(-(len(plain) + 1) % PAD)


def unpad(padded: bytes) -> bytes:
    plain = padded.rstrip(b"\0")
    if not plain.endswith(b"\x80") or pad(plain[:-1]) != padded:
        raise Malformed("padding")
    return plain[:-1]


def aead_box(key: bytes, nonce: bytes, plain: bytes, aad: bytes) -> dict:
    return {1: nonce, 2: AESGCM(key).encrypt(nonce, plain, aad)}


def aead_open(key: bytes, box: dict, aad: bytes, what: str) -> bytes:
    try:
        return AESGCM(key).decrypt(box[1], box[2], aad)
    except InvalidTag:
        raise Tampered(f"{what} does not decrypt") from None


# Ed25519, "verified strictly": canonical encodings, and neither the key nor R of small order.

ED_P = 2**255 - 19
ED_D = -121665 * pow(121666, -1, ED_P) % ED_P


def ed_square_roots(square: int) -> list[int]:
    root = pow(square, (ED_P + 3) // 8, ED_P)
    for candidate in (root, root * pow(2, (ED_P - 1) // 4, ED_P) % ED_P):
        if candidate * candidate % ED_P == square % ED_P:
            return [candidate, -candidate % ED_P]
    return []


def ed_small_order_ys() -> set[int]:
    """y of the eight points of small order; those of order 8 satisfy d·y⁴ + 2y² − 1 = 0."""
    ys = {0, 1, ED_P - 1}
    for root in ed_square_roots(1 + ED_D):
        ys.update(ed_square_roots((root - 1) * pow(ED_D, -1, ED_P) % ED_P))
    return ys


ED_SMALL_ORDER = ed_small_order_ys()


def ed_point_is_sound(point: bytes) -> bool:
    y = int.from_bytes(point, "little") & (1 << 255) - 1
    return y < ED_P and y not in ED_SMALL_ORDER


def ed25519_verify_strict(public_key: bytes, signature: bytes, message: bytes) -> bool:
    if not ed_point_is_sound(public_key) or not ed_point_is_sound(signature[:32]):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


def ed25519_public(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def ed25519_sign(seed: bytes, message: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


# --------------------------------------------------------------------------------------
# HPKE, RFC 9180: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM; base and psk
# --------------------------------------------------------------------------------------

KEM_SUITE = b"KEM" + b"\x00\x20"
HPKE_SUITE = b"HPKE" + b"\x00\x20" + b"\x00\x01" + b"\x00\x02"
HPKE_SUITE_XWING = b"HPKE" + b"\x64\x7a" + b"\x00\x01" + b"\x00\x02"
MODE_BASE, MODE_PSK = 0, 1


def labeled_extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return extract(salt, b"HPKE-v1" + suite + label + ikm)


def labeled_expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    return expand(prk, length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info, length)


def x25519_clamp(secret: bytes) -> bytes:
    return bytes([secret[0] & 248]) + secret[1:31] + bytes([secret[31] & 127 | 64])


def x25519_public(secret: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def x25519(secret: bytes, public: bytes) -> bytes:
    """Raises ValueError where the result is all zero (a point of low order)."""
    return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))


def derive_key_pair(ikm: bytes) -> tuple[bytes, bytes]:
    prk = labeled_extract(KEM_SUITE, b"", b"dkp_prk", ikm)
    secret = x25519_clamp(labeled_expand(KEM_SUITE, prk, b"sk", b"", 32))
    return secret, x25519_public(secret)


def kem_shared_secret(dh: bytes, enc: bytes, receiver: bytes) -> bytes:
    prk = labeled_extract(KEM_SUITE, b"", b"eae_prk", dh)
    return labeled_expand(KEM_SUITE, prk, b"shared_secret", enc + receiver, 32)


@dataclass
class HpkeContext:
    shared_secret: bytes
    key: bytes
    base_nonce: bytes


def hpke_key_schedule(mode: int, shared_secret: bytes, info: bytes, psk: bytes, psk_id: bytes,
                      suite: bytes = HPKE_SUITE) -> HpkeContext:
    psk_id_hash = labeled_extract(suite, b"", b"psk_id_hash", psk_id)
    info_hash = labeled_extract(suite, b"", b"info_hash", info)
    context = bytes([mode]) + psk_id_hash + info_hash
    secret = labeled_extract(suite, shared_secret, b"secret", psk)
    key = labeled_expand(suite, secret, b"key", context, 32)
    return HpkeContext(shared_secret, key, labeled_expand(suite, secret, b"base_nonce", context, 12))


def hpke_receive(secret: bytes, enc: bytes, info: bytes, psk: bytes = b"", psk_id: bytes = b"") -> HpkeContext:
    shared_secret = kem_shared_secret(x25519(secret, enc), enc, x25519_public(secret))
    return hpke_key_schedule(MODE_PSK if psk else MODE_BASE, shared_secret, info, psk, psk_id)


def hpke_send(ikm_e: bytes, public: bytes, info: bytes, psk: bytes = b"", psk_id: bytes = b"") -> tuple[bytes, HpkeContext]:
    secret_e, enc = derive_key_pair(ikm_e)
    shared_secret = kem_shared_secret(x25519(secret_e, public), enc, public)
    return enc, hpke_key_schedule(MODE_PSK if psk else MODE_BASE, shared_secret, info, psk, psk_id)


# --------------------------------------------------------------------------------------
# Constants of the format
# --------------------------------------------------------------------------------------

PASSKEY, CODE, PASSPHRASE, SHARES, CONTACT, DEVICE = 1, 2, 3, 4, 5, 6
FALLBACK_KINDS = (CODE, PASSPHRASE, SHARES, CONTACT)
ENABLED, IDLE_CAN_ENCRYPT, IDLE_SIGN_IN_ONLY, TOMBSTONE = 1, 2, 3, 4
SALT_PER_SLOT, SALT_PER_VAULT, SALT_STATIC = 1, 2, 3
SUITE_X25519, SUITE_XWING = 1, 2
HIGHEST_FLOOR = 2
SUITE_SIZES = {SUITE_X25519: (32, 32), SUITE_XWING: (1216, 1120)}  # slot_pk, enc

MAX_MANIFEST = 256 * 1024
MAX_SLOTS = 64
MAX_ITEMS = 2**20
MAX_BODY = 16 * 1024 * 1024
MAX_ANCESTORS = MAX_LINKS = MAX_TOMBSTONES = 32
MAX_PASSPHRASES = 4
DEFAULT_MOST_PASSKEYS = 5
BACKUP_MAGIC = "countersign/v1/backup"

M_VERSION, M_VAULT_ID, M_EPOCH, M_KEY_GEN, M_ANCESTORS, M_VRK_COMMIT, M_FLOOR = 1, 2, 3, 4, 5, 6, 7
M_SLOTS, M_ITEM_ROOT, M_LINEAGE, M_TIME, M_POLICY, M_BACKUP = 8, 9, 10, 11, 12, 13

S_SLOT_ID, S_KIND, S_STATUS, S_SLOT_GEN, S_SUITE, S_BORN, S_UNLOCK = 1, 2, 3, 4, 5, 6, 7
S_KDF_SALT, S_K_COM, S_WRAPPED, S_SLOT_PK, S_SEAL, S_SAK_WRAP, S_PRIVATE, S_TRANSPORTS = 8, 9, 10, 11, 12, 13, 14, 15

I_ITEM_ID, I_VERSION, I_TYPE, I_KEY, I_BODY = 1, 2, 3, 4, 5


# --------------------------------------------------------------------------------------
# Schema
# --------------------------------------------------------------------------------------

def uint(low: int = 0, high: int = U63_MAX):
    def check(value):
        if type(value) is not int or not low <= value <= high:
            raise Malformed(f"not a number in {low}..{high}")
    return check


def bstr(low: int = 0, high: int | None = None):
    def check(value):
        if type(value) is not bytes or len(value) < low or high is not None and len(value) > high:
            raise Malformed(f"not a byte string of {low}..{high}")
    return check


def b(size: int):
    return bstr(size, size)


def tstr(low: int = 0, high: int | None = None):
    def check(value):
        if type(value) is not str:
            raise Malformed("not a text")
        bstr(low, high)(value.encode())
    return check


def exactly(wanted):
    def check(value):
        if type(value) is not type(wanted) or value != wanted:
            raise Malformed(f"not {wanted!r}")
    return check


def boolean(value):
    if type(value) is not bool:
        raise Malformed("not a bool")


def known(high: int, what: str):
    """A number of which 1..high are known; another number is Unsupported, not Malformed."""
    def check(value):
        uint()(value)
        if not 1 <= value <= high:
            raise Unsupported(f"unknown {what}")
    return check


def array_of(check_one, low: int = 0, high: int | None = None):
    def check(value):
        if type(value) is not list or len(value) < low or high is not None and len(value) > high:
            raise Malformed(f"not an array of {low}..{high}")
        for one in value:
            check_one(one)
    return check


def tuple_of(*checks):
    def check(value):
        if type(value) is not list or len(value) != len(checks):
            raise Malformed(f"not an array of {len(checks)}")
        for check_one, one in zip(checks, value):
            check_one(one)
    return check


def map_of(required: dict, optional: dict | None = None):
    def check(value):
        if type(value) is not dict:
            raise Malformed("not a map")
        allowed = required | (optional or {})
        for key in required:
            if key not in value:
                raise Malformed(f"key {key} is missing")
        for key, content in value.items():
            if key not in allowed:
                raise Malformed(f"unknown key {key}")
            allowed[key](content)
    return check


def rp_id_text(value):
    tstr(1, 253)(value)
    if not value.isascii() or value != value.lower():
        raise Malformed("rp_id is not lower-case ASCII")


pos = uint(1)
kind_number = known(6, "kind")
suite_number = known(2, "suite")


def floor_number(value):
    pos(value)
    known(HIGHEST_FLOOR, "floor")(value)


def box(low: int, high: int | None = None):
    return map_of({1: b(12), 2: bstr(low, low if high is None else high)})


ARGON = map_of({1: uint(), 2: uint(), 3: uint(), 4: b(16)})
NOTHING = map_of({})
UNLOCK = {
    PASSKEY: map_of({1: rp_id_text, 2: bstr(1, 1023), 3: b(32), 4: uint(1, 3)}, {5: ARGON}),
    CODE: NOTHING,
    PASSPHRASE: ARGON,
    SHARES: map_of({1: uint(2, 16), 2: uint(2, 16), 3: b(8)}),
    CONTACT: NOTHING,
    DEVICE: NOTHING,
}
BOX_P = box(80, 4112)
IDLE = map_of({1: b(16), 2: exactly(PASSKEY), 3: uint(2, 3), 4: pos, 14: BOX_P})
TOMBSTONE_SLOT = map_of({1: b(16), 2: kind_number, 3: exactly(TOMBSTONE), 4: pos, 6: pos})
ITEM = map_of({1: b(16), 2: pos, 3: pos, 4: box(48), 5: box(80, MAX_BODY)})
ROW = tuple_of(b(16), pos, b(32))
PRIVATE = map_of({1: tstr(), 8: uint()}, {
    2: tstr(), 3: bstr(), 4: bstr(), 5: b(16), 6: boolean, 7: boolean, 9: uint(), 10: uint(), 11: tstr()})
POLICY = map_of({}, {1: uint(1, 16), 2: uint(1, 16), 3: exactly(True), 4: array_of(kind_number, 1)})
BACKUP = map_of({1: uint(), 2: b(16), 3: pos, 4: uint(), 5: uint(1, 2)})


def enabled_slot(kind: int, suite: int):
    slot_pk, enc = SUITE_SIZES[suite]
    optional = {S_TRANSPORTS: uint(1, 63)} if kind == PASSKEY else {}
    return map_of({
        1: b(16), 2: kind_number, 3: exactly(ENABLED), 4: pos, 5: suite_number, 6: pos, 7: UNLOCK[kind],
        8: b(32), 9: b(32), 10: box(80), 11: b(slot_pk), 12: map_of({1: b(enc), 2: b(48)}),
        13: box(48), 14: BOX_P}, optional)


def any_slot(slot):
    if type(slot) is not dict or S_KIND not in slot or S_STATUS not in slot:
        raise Malformed("slot without kind or status")
    kind_number(slot[S_KIND])
    uint(1, 4)(slot[S_STATUS])
    if slot[S_STATUS] == TOMBSTONE:
        return TOMBSTONE_SLOT(slot)
    if slot[S_STATUS] != ENABLED:
        return IDLE(slot)
    if S_SUITE not in slot:
        raise Malformed("slot without suite")
    suite_number(slot[S_SUITE])
    enabled_slot(slot[S_KIND], slot[S_SUITE])(slot)
    check_unlock(slot)


def check_unlock(slot: dict):
    unlock = slot[S_UNLOCK]
    if slot[S_KIND] == SHARES and unlock[1] > unlock[2]:
        raise Malformed("more shares needed than made")
    if slot[S_KIND] == PASSKEY and (unlock[4] == SALT_STATIC) != (unlock[3] == zero(32)):
        raise Malformed("static salt mode with a salt, or another mode without")


MANIFEST = map_of({
    1: exactly(1), 2: b(16), 3: pos, 4: pos, 5: array_of(tuple_of(pos, b(32)), 0, MAX_ANCESTORS), 6: b(32),
    7: floor_number, 8: array_of(any_slot, 1, MAX_SLOTS), 9: b(32),
    10: array_of(map_of({1: pos, 2: b(32), 3: b(64)}), 1, MAX_LINKS), 11: uint()},
    {12: POLICY, 13: BACKUP})


def strictly_ascending(values: list) -> bool:
    return all(one < two for one, two in zip(values, values[1:]))


def past_order(past: list):
    return (-past[0], past[1])


def check_ancestors(manifest: dict):
    ancestors, epoch = manifest[M_ANCESTORS], manifest[M_EPOCH]
    if (not ancestors) != (epoch == 1):
        raise Malformed("ancestors and epoch 1 exclude each other")
    if any(past[0] >= epoch for past in ancestors):
        raise Malformed("ancestor not below the epoch")
    if not strictly_ascending([past_order(past) for past in ancestors]):
        raise Malformed("ancestors unordered or repeated")


def check_lineage(manifest: dict):
    key_gen = manifest[M_KEY_GEN]
    wanted = list(range(key_gen - min(key_gen, MAX_LINKS) + 1, key_gen + 1))
    if [link[1] for link in manifest[M_LINEAGE]] != wanted:
        raise Malformed("lineage is not the consecutive last key generations")


def enabled_slots(manifest: dict) -> list[dict]:
    return [slot for slot in manifest[M_SLOTS] if slot[S_STATUS] == ENABLED]


def passkey_slots(manifest: dict) -> list[dict]:
    return [slot for slot in enabled_slots(manifest) if slot[S_KIND] == PASSKEY]


def check_slots_together(manifest: dict):
    if not strictly_ascending([slot[S_SLOT_ID] for slot in manifest[M_SLOTS]]):
        raise Malformed("slots not strictly ascending")
    if any(slot.get(S_BORN, 0) > manifest[M_KEY_GEN] for slot in manifest[M_SLOTS]):
        raise Malformed("born or tombstone above key_gen")
    credentials = [(slot[S_UNLOCK][1], slot[S_UNLOCK][2]) for slot in passkey_slots(manifest)]
    if len(set(credentials)) != len(credentials):
        raise Malformed("one passkey in two enabled slots")
    vault_salts = {slot[S_UNLOCK][3] for slot in passkey_slots(manifest) if slot[S_UNLOCK][4] == SALT_PER_VAULT}
    if len(vault_salts) > 1:
        raise Malformed("two prf_salts among the slots of mode 2")
    if sum(slot[S_KIND] == PASSPHRASE for slot in enabled_slots(manifest)) > MAX_PASSPHRASES:
        raise Malformed("more than 4 enabled passphrase slots")


def decode_manifest(data: bytes) -> dict:
    if len(data) > MAX_MANIFEST:
        raise Malformed("manifest above 256 KiB")
    manifest = decode_cbor(data)
    if type(manifest) is not dict or M_VERSION not in manifest:
        raise Malformed("manifest without version")
    known(1, "version")(manifest[M_VERSION])
    MANIFEST(manifest)
    if manifest[M_VAULT_ID] == zero(16):
        raise Malformed("vault_id is all zero")
    check_ancestors(manifest)
    check_lineage(manifest)
    check_slots_together(manifest)
    if M_POLICY in manifest and not strictly_ascending(manifest[M_POLICY].get(4, [])):
        raise Malformed("allowed kinds not ascending")
    return manifest


@dataclass
class Envelope:
    manifest_bytes: bytes
    manifest: dict
    mac: bytes
    items: list[dict] | None  # whole form
    rows: list[list]          # computed from the items where they are whole


def item_row(item: dict) -> list:
    return [item[I_ITEM_ID], item[I_VERSION], h(cbor(item))]


def decode_envelope(data: bytes, largest: int = 1 << 30) -> Envelope:
    if len(data) > largest:
        raise Malformed("envelope above the host's cap")
    envelope = decode_cbor(data)
    if type(envelope) is not dict or type(envelope.get(1)) is not bytes:
        raise Malformed("envelope without manifest")
    manifest = decode_manifest(envelope[1])
    if 3 in envelope:
        map_of({1: bstr(), 2: b(32), 3: array_of(ITEM, 0, MAX_ITEMS)})(envelope)
        items = envelope[3]
        rows = [item_row(item) for item in items]
    else:
        map_of({1: bstr(), 2: b(32), 4: array_of(ROW, 0, MAX_ITEMS)})(envelope)
        items, rows = None, envelope[4]
    if not strictly_ascending([row[0] for row in rows]):
        raise Malformed("items or rows not strictly ascending")
    return Envelope(envelope[1], manifest, envelope[2], items, rows)


def decode_backup_file(data: bytes) -> bytes:
    backup = decode_cbor(data)
    map_of({0: exactly(BACKUP_MAGIC), 1: bstr()})(backup)
    return backup[1]


def encode_backup_file(envelope: bytes) -> bytes:
    return cbor({0: BACKUP_MAGIC, 1: envelope})


# --------------------------------------------------------------------------------------
# Recovery codes and shares
# --------------------------------------------------------------------------------------

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def to_symbols(number: int, count: int) -> str:
    return "".join(CROCKFORD[number >> 5 * (count - 1 - i) & 31] for i in range(count))


def from_symbols(symbols: str) -> int:
    number = 0
    for symbol in symbols:
        if symbol not in CROCKFORD:
            raise WrongSecret(f"{symbol!r} is not a symbol of a code")
        number = number << 5 | CROCKFORD.index(symbol)
    return number


def first_bits(digest: bytes, count: int) -> int:
    return int.from_bytes(digest, "big") >> 8 * len(digest) - count


def in_fours(symbols: str) -> str:
    return "-".join(symbols[i:i + 4] for i in range(0, len(symbols), 4))


def read_symbols(text: str, prefix: str, count: int) -> str:
    plain = "".join(text.split()).replace("-", "").upper().translate(str.maketrans("ILO", "110"))
    if not plain.startswith(prefix) or len(plain) != len(prefix) + count:
        raise WrongSecret(f"not a text of {count} symbols after {prefix}")
    return plain[len(prefix):]


def code_check(vault_id: bytes, code: bytes) -> int:
    return first_bits(h(L("code") + vault_id[0:4] + code), 10)


def code_text(vault_id: bytes, code: bytes) -> str:
    body = in_fours(to_symbols(int.from_bytes(code, "big"), 32))
    return f"CS1-{body}-{to_symbols(code_check(vault_id, code), 2)}"


def read_code(vault_id: bytes, text: str) -> bytes:
    symbols = read_symbols(text, "CS1", 34)
    code = from_symbols(symbols[:32]).to_bytes(20, "big")
    if from_symbols(symbols[32:]) != code_check(vault_id, code):
        raise WrongSecret("code mistyped, or of another vault")
    return code


def share_check(share: bytes) -> int:
    return first_bits(h(L("share") + share), 15)


def share_text(share: bytes) -> str:
    body = int.from_bytes(share, "big") << 1
    return "CSS1-" + in_fours(to_symbols(body, 69) + to_symbols(share_check(share), 3))


def read_share(text: str) -> bytes:
    symbols = read_symbols(text, "CSS1", 72)
    body = from_symbols(symbols[:69])
    if body & 1:
        raise WrongSecret("the spare bit of a share is not zero")
    share = (body >> 1).to_bytes(43, "big")
    if from_symbols(symbols[69:]) != share_check(share):
        raise WrongSecret("share mistyped")
    return share


def gf_mul(one: int, two: int) -> int:
    product = 0
    while two:
        if two & 1:
            product ^= one
        one = one << 1 ^ (0x11B if one & 0x80 else 0)
        two >>= 1
    return product


def gf_inverse(one: int) -> int:
    result = 1
    for _ in range(254):
        result = gf_mul(result, one)
    return result


def share_y(secret: bytes, coefficients: list[bytes], x: int) -> bytes:
    """y = s + a1·x + … , each byte by itself; coefficients in the order a1, a2, …"""
    y = zero(32)
    for coefficient in reversed([secret] + coefficients):
        y = bytes(gf_mul(old, x) ^ new for old, new in zip(y, coefficient))
    return y


def split_shares(secret: bytes, k: int, n: int, set_id: bytes, coefficients: list[bytes]) -> list[bytes]:
    assert 2 <= k <= n <= 16 and len(coefficients) == k - 1
    return [set_id + bytes([k, n, x]) + share_y(secret, coefficients, x) for x in range(1, n + 1)]


def join_shares(shares: list[bytes]) -> bytes:
    """Lagrange at 0 over exactly k shares of one set."""
    if not shares or len({share[:10] for share in shares}) != 1:
        raise WrongSecret("shares of different sets")
    k, n = shares[0][8], shares[0][9]
    points = {share[10]: share[11:] for share in shares}
    if not 2 <= k <= n <= 16 or len(shares) != k or len(points) != k or not all(1 <= x <= n for x in points):
        raise WrongSecret("not exactly k shares with distinct x")
    secret = zero(32)
    for x, y in points.items():
        factor = 1
        for other in points:
            if other != x:
                factor = gf_mul(factor, gf_mul(other, gf_inverse(other ^ x)))
        secret = bytes(old ^ gf_mul(factor, byte) for old, byte in zip(secret, y))
    return secret


# --------------------------------------------------------------------------------------
# Slot key derivation
# --------------------------------------------------------------------------------------

@dataclass
class Secret:
    """What the user or the device gives: exactly one kind of it, and a PIN beside a PRF output."""
    prf: bytes | None = None
    pin: str | None = None
    code: bytes | str | None = None
    passphrase: str | None = None
    shares: list[bytes] | None = None
    device: bytes | None = None


def prf_input(vault_id: bytes, unlock: dict) -> bytes:
    if unlock[4] == SALT_STATIC:
        return L("prf") + zero(48)
    return L("prf") + vault_id + unlock[3]


def webauthn_prf_salt(eval_first: bytes) -> bytes:
    return h(b"WebAuthn PRF\0" + eval_first)


def check_argon_bounds(argon: dict):
    m, t, p = argon[1], argon[2], argon[3]
    if not (19456 <= m <= 1048576 and 2 <= t <= 16 and 1 <= p <= 16 and m * t <= 4194304):
        raise PolicyViolation("Argon2 parameters out of bounds")


def argon2id(text: str, argon: dict) -> bytes:
    check_argon_bounds(argon)
    secret = unicodedata.normalize("NFC", text).encode()
    if not 1 <= len(secret) <= 1024:
        raise WrongSecret("text is not 1..1024 bytes")
    return hash_secret_raw(secret, argon[4], time_cost=argon[2], memory_cost=argon[1], parallelism=argon[3],
                           hash_len=32, type=Type.ID, version=0x13)


def uv_prf_output(prf: bytes) -> bytes:
    if len(prf) != 32 or prf == zero(32):
        raise WrongSecret("not a PRF output")
    return prf


def must_have(value, what: str):
    if value is None:
        raise WrongSecret(f"this slot needs {what}")
    return value


def fixed_length(value: bytes, length: int) -> bytes:
    if len(value) != length:
        raise WrongSecret(f"secret is not {length} bytes")
    return value


def passkey_ikm(unlock: dict, secret: Secret) -> bytes:
    ikm = uv_prf_output(must_have(secret.prf, "a PRF output"))
    if 5 in unlock:
        ikm += argon2id(must_have(secret.pin, "a PIN"), unlock[5])
    return ikm


def code_ikm(vault_id: bytes, code: bytes | str) -> bytes:
    return read_code(vault_id, code) if isinstance(code, str) else fixed_length(code, 20)


def slot_ikm(vault_id: bytes, kind: int, unlock: dict, secret: Secret) -> bytes:
    if kind == PASSKEY:
        return passkey_ikm(unlock, secret)
    if kind in (CODE, CONTACT):
        return code_ikm(vault_id, must_have(secret.code, "a code"))
    if kind == PASSPHRASE:
        return argon2id(must_have(secret.passphrase, "a passphrase"), unlock)
    if kind == SHARES:
        return join_shares(must_have(secret.shares, "shares"))
    return fixed_length(must_have(secret.device, "a device secret"), 32)


def slot_ctx(vault_id: bytes, slot_id: bytes, kind: int, suite: int, unlock: dict) -> bytes:
    if kind == PASSKEY:
        return C(vault_id, slot_id, kind, suite, h(unlock[1].encode()), h(unlock[2]), True)
    return C(vault_id, slot_id, kind, suite, b"", b"", False)


def slot_keys(ikm: bytes, kdf_salt: bytes, ctx: bytes) -> tuple[bytes, bytes]:
    okm = expand(extract(kdf_salt, ikm), L("slot-key") + ctx, 64)
    return okm[:32], okm[32:]


def derive_slot_keys(vault_id: bytes, slot: dict, ikm: bytes) -> tuple[bytes, bytes]:
    ctx = slot_ctx(vault_id, slot[S_SLOT_ID], slot[S_KIND], slot[S_SUITE], slot[S_UNLOCK])
    return slot_keys(ikm, slot[S_KDF_SALT], ctx)


# --------------------------------------------------------------------------------------
# Keys under the vault root key, and associated data
# --------------------------------------------------------------------------------------

@dataclass
class VaultKeys:
    vault_id: bytes
    vrk: bytes
    prk: bytes = field(init=False)

    def __post_init__(self):
        self.prk = extract(self.vault_id, self.vrk)

    def derived(self, label: str, *context) -> bytes:
        return expand(self.prk, L(label) + C(*context), 32)

    def manifest_mac(self) -> bytes:
        return self.derived("manifest-mac")

    def sak_wrap(self, slot_id: bytes, slot_gen: int) -> bytes:
        return self.derived("sak-wrap", slot_id, slot_gen)

    def item_kek(self, item_id: bytes, version: int) -> bytes:
        return self.derived("item-kek", item_id, version)

    def meta(self) -> bytes:
        return self.derived("meta")

    def lineage_seed(self) -> bytes:
        return self.derived("lineage")

    def lineage_public(self) -> bytes:
        return ed25519_public(self.lineage_seed())

    def commit(self, key_gen: int) -> bytes:
        return expand(extract(zero(32), self.vrk), L("vrk-commit") + self.vault_id + u64(key_gen), 32)


def manifest_mac(keys: VaultKeys, manifest_bytes: bytes) -> bytes:
    return hmac_sha256(keys.manifest_mac(), L("manifest") + manifest_bytes)


def wrapped_aad(vault_id: bytes, slot: dict) -> bytes:
    return C("countersign/v1/slot", vault_id, slot[S_SUITE], slot[S_SLOT_ID], slot[S_KIND], slot[S_UNLOCK],
             slot[S_KDF_SALT], slot[S_SLOT_PK], slot[S_SLOT_GEN])


def seal_info(vault_id: bytes, suite: int) -> bytes:
    return L("vrk") + C(vault_id, suite)


def seal_aad(slot: dict, key_gen: int, vrk_commit: bytes) -> bytes:
    return C(slot[S_SLOT_ID], slot[S_SLOT_GEN], key_gen, vrk_commit, h(slot[S_SLOT_PK]))


def sak_aad(vault_id: bytes, slot: dict, key_gen: int) -> bytes:
    return C("countersign/v1/sak", vault_id, slot[S_SLOT_ID], slot[S_SLOT_GEN], key_gen)


def private_aad(vault_id: bytes, slot_id: bytes, key_gen: int) -> bytes:
    return C("countersign/v1/private", vault_id, slot_id, key_gen)


def item_key_aad(vault_id: bytes, item: dict, key_gen: int) -> bytes:
    return C("countersign/v1/item-key", vault_id, item[I_ITEM_ID], item[I_VERSION], item[I_TYPE], key_gen)


def item_aad(vault_id: bytes, item: dict) -> bytes:
    return C("countersign/v1/item", vault_id, item[I_ITEM_ID], item[I_VERSION], item[I_TYPE])


def lineage_message(vault_id: bytes, key_gen: int, public_key: bytes) -> bytes:
    return L("lineage") + C(vault_id, key_gen, public_key)


def item_root(rows: list[list]) -> bytes:
    return trie([(h(row[0]), row) for row in rows], 0)


def trie(entries: list, depth: int) -> bytes:
    if not entries:
        return zero(32)
    if len(entries) == 1:
        item_id, version, digest = entries[0][1]
        return h(L("item-leaf") + item_id + u64(version) + digest)
    sides: tuple[list, list] = ([], [])
    for path, row in entries:
        sides[path[depth // 8] >> 7 - depth % 8 & 1].append((path, row))
    return h(L("item-node") + trie(sides[0], depth + 1) + trie(sides[1], depth + 1))


# --------------------------------------------------------------------------------------
# Opening
# --------------------------------------------------------------------------------------

@dataclass
class Seen:
    """What a client remembers of a vault."""
    epoch: int
    hash: bytes
    key_gen: int
    lineage_pk: bytes
    floor: int

    def to_json(self) -> dict:
        return {"epoch": self.epoch, "hash": self.hash.hex(), "key_gen": self.key_gen,
                "lineage_pk": self.lineage_pk.hex(), "floor": self.floor}

    @staticmethod
    def from_json(seen: dict) -> Seen:
        return Seen(seen["epoch"], bytes.fromhex(seen["hash"]), seen["key_gen"],
                    bytes.fromhex(seen["lineage_pk"]), seen["floor"])


@dataclass
class OpenVault:
    envelope: Envelope
    slot_id: bytes
    ikm: bytes
    keys: VaultKeys
    state: str  # FirstUse, Unchecked, Checked or CheckedGap

    @property
    def manifest(self) -> dict:
        return self.envelope.manifest

    @property
    def vault_id(self) -> bytes:
        return self.manifest[M_VAULT_ID]

    @property
    def key_gen(self) -> int:
        return self.manifest[M_KEY_GEN]

    def seen(self) -> Seen:
        return Seen(self.manifest[M_EPOCH], h(self.envelope.manifest_bytes), self.key_gen,
                    self.manifest[M_LINEAGE][-1][2], self.manifest[M_FLOOR])

    def private(self, slot_id: bytes) -> dict | None:
        slot = find_slot(self.manifest, slot_id)
        return open_private(self.keys, slot, self.key_gen) if S_PRIVATE in slot else None

    def item(self, item_id: bytes) -> bytes:
        for item in self.envelope.items or []:
            if item[I_ITEM_ID] == item_id:
                return open_item(self.keys, item, self.key_gen)
        raise KeyError(item_id.hex())

    def fetched_item(self, item_bytes: bytes) -> tuple[dict, bytes]:
        """Index form: an Item that came as an object of its own."""
        item = decode_cbor(item_bytes)
        ITEM(item)
        if [item[I_ITEM_ID], item[I_VERSION], h(item_bytes)] not in self.envelope.rows:
            raise Tampered("item does not match its row")
        return item, open_item(self.keys, item, self.key_gen)


def find_slot(manifest: dict, slot_id: bytes) -> dict:
    for slot in manifest[M_SLOTS]:
        if slot[S_SLOT_ID] == slot_id:
            return slot
    raise KeyError(slot_id.hex())


def open_private(keys: VaultKeys, slot: dict, key_gen: int) -> dict:
    aad = private_aad(keys.vault_id, slot[S_SLOT_ID], key_gen)
    private = decode_cbor(unpad(aead_open(keys.meta(), slot[S_PRIVATE], aad, "private")))
    PRIVATE(private)
    return private


def open_content_key(keys: VaultKeys, item: dict, key_gen: int) -> bytes:
    kek = keys.item_kek(item[I_ITEM_ID], item[I_VERSION])
    return aead_open(kek, item[I_KEY], item_key_aad(keys.vault_id, item, key_gen), "item key")


def open_item(keys: VaultKeys, item: dict, key_gen: int) -> bytes:
    content_key = open_content_key(keys, item, key_gen)
    return unpad(aead_open(content_key, item[I_BODY], item_aad(keys.vault_id, item), "item body"))


def open_sak_wrap(keys: VaultKeys, slot: dict, key_gen: int) -> bytes:
    key = keys.sak_wrap(slot[S_SLOT_ID], slot[S_SLOT_GEN])
    return aead_open(key, slot[S_SAK_WRAP], sak_aad(keys.vault_id, slot, key_gen), "sak_wrap")


def take_enabled_slot(manifest: dict, slot_id: bytes) -> dict:
    for slot in enabled_slots(manifest):
        if slot[S_SLOT_ID] == slot_id:
            return slot
    raise WrongSecret("no such enabled slot")


def unlock_slot(vault_id: bytes, slot: dict, secret: Secret) -> tuple[bytes, bytes]:
    """Step 2: K_enc, once K_com agrees; and the IKM, for a refresh."""
    if slot[S_SUITE] != SUITE_X25519:
        raise Unsupported("this program has no suite 2")
    ikm = slot_ikm(vault_id, slot[S_KIND], slot[S_UNLOCK], secret)
    k_enc, k_com = derive_slot_keys(vault_id, slot, ikm)
    if not hmac.compare_digest(k_com, slot[S_K_COM]):
        raise WrongSecret("wrong secret, or the slot was altered")
    return k_enc, ikm


def open_wrapped(vault_id: bytes, slot: dict, k_enc: bytes) -> tuple[bytes, bytes]:
    plain = aead_open(k_enc, slot[S_WRAPPED], wrapped_aad(vault_id, slot), "wrapped")
    slot_sk, sak = plain[:32], plain[32:]
    if x25519_public(slot_sk) != slot[S_SLOT_PK]:
        raise Tampered("slot_pk is not the public key of slot_sk")
    return slot_sk, sak


def open_seal(manifest: dict, slot: dict, slot_sk: bytes, sak: bytes) -> bytes:
    seal, aad = slot[S_SEAL], seal_aad(slot, manifest[M_KEY_GEN], manifest[M_VRK_COMMIT])
    try:
        info = seal_info(manifest[M_VAULT_ID], slot[S_SUITE])
        context = hpke_receive(slot_sk, seal[1], info, sak, slot[S_SLOT_ID])
    except ValueError:
        raise Tampered("seal with a low-order point") from None
    return aead_open(context.key, {1: context.base_nonce, 2: seal[2]}, aad, "seal")


def authenticate(envelope: Envelope, keys: VaultKeys):
    """The end of step 3: all that the VRK vouches for."""
    manifest = envelope.manifest
    if not hmac.compare_digest(keys.commit(manifest[M_KEY_GEN]), manifest[M_VRK_COMMIT]):
        raise Tampered("vrk_commit")
    if not hmac.compare_digest(manifest_mac(keys, envelope.manifest_bytes), envelope.mac):
        raise Tampered("mac")
    if item_root(envelope.rows) != manifest[M_ITEM_ROOT]:
        raise Tampered("item_root")
    if manifest[M_LINEAGE][-1][2] != keys.lineage_public():
        raise Tampered("the last link is not of this vault key")


def check_policy(manifest: dict, backup_wanted: bool = False):
    """Step 4."""
    if (M_BACKUP in manifest) != backup_wanted:
        raise PolicyViolation("a backup in place of a vault, or the reverse")
    if any(slot[S_SUITE] < manifest[M_FLOOR] for slot in enabled_slots(manifest)):
        raise PolicyViolation("a slot below the floor")
    policy = manifest.get(M_POLICY, {})
    kinds = [slot[S_KIND] for slot in enabled_slots(manifest)]
    if kinds.count(PASSKEY) > policy.get(1, DEFAULT_MOST_PASSKEYS):
        raise PolicyViolation("too many passkeys")
    if len(kinds) < policy.get(2, 1):
        raise PolicyViolation("too few slots")
    if policy.get(3) and any(kind in FALLBACK_KINDS for kind in kinds):
        raise PolicyViolation("a fallback where none is allowed")
    if 4 in policy and any(kind not in policy[4] for kind in kinds):
        raise PolicyViolation("a kind that is not allowed")


def lineage_continues(manifest: dict, seen: Seen) -> bool:
    links = {link[1]: link for link in manifest[M_LINEAGE]}
    if seen.key_gen not in links or links[seen.key_gen][2] != seen.lineage_pk:
        return False
    for key_gen in range(seen.key_gen + 1, manifest[M_KEY_GEN] + 1):
        message = lineage_message(manifest[M_VAULT_ID], key_gen, links[key_gen][2])
        if not ed25519_verify_strict(links[key_gen - 1][2], links[key_gen][3], message):
            return False
    return True


def compare_with_memory(envelope: Envelope, seen: Seen) -> str:
    """Step 5."""
    manifest, state = envelope.manifest, "Checked"
    epoch = manifest[M_EPOCH]
    if epoch < seen.epoch or manifest[M_KEY_GEN] < seen.key_gen or manifest[M_FLOOR] < seen.floor:
        raise Rollback("older than the state last seen")
    if epoch == seen.epoch and h(envelope.manifest_bytes) != seen.hash:
        raise Fork("another state of the same epoch")
    if epoch > seen.epoch and [seen.epoch, seen.hash] not in manifest[M_ANCESTORS]:
        if min(past[0] for past in manifest[M_ANCESTORS]) <= seen.epoch:
            raise Fork("the state last seen is not among the ancestors")
        state = "CheckedGap"
    if not lineage_continues(manifest, seen):
        raise Fork("the lineage does not continue the key last seen")
    return state


NO_STORE = object()


def open_vault(data: bytes, slot_id: bytes, secret: Secret, memory=NO_STORE,
               expect_vault_id: bytes | None = None, backup_wanted: bool = False) -> OpenVault:
    """`memory` is a Seen, None (the store knows nothing of this vault) or NO_STORE."""
    envelope = decode_envelope(data)
    manifest, vault_id = envelope.manifest, envelope.manifest[M_VAULT_ID]
    if expect_vault_id is not None and expect_vault_id != vault_id:
        raise Tampered("another vault than expected")
    slot = take_enabled_slot(manifest, slot_id)
    k_enc, ikm = unlock_slot(vault_id, slot, secret)
    slot_sk, sak = open_wrapped(vault_id, slot, k_enc)
    keys = VaultKeys(vault_id, open_seal(manifest, slot, slot_sk, sak))
    authenticate(envelope, keys)
    check_policy(manifest, backup_wanted)
    if memory is NO_STORE:
        state = "Unchecked"
    else:
        state = "FirstUse" if memory is None else compare_with_memory(envelope, memory)
    return OpenVault(envelope, slot_id, ikm, keys, state)


# --------------------------------------------------------------------------------------
# Writing
# --------------------------------------------------------------------------------------

def system_randomness(name: str, count: int) -> bytes:
    """Every random value is asked for by a name, so that a test can answer with known ones."""
    return os.urandom(count)


def cut_ancestors(pasts: list[list]) -> list[list]:
    ordered = sorted(pasts, key=past_order)
    if len(ordered) <= MAX_ANCESTORS:
        return ordered
    kept = ordered[:MAX_ANCESTORS]
    split = ordered[MAX_ANCESTORS][0]
    return [past for past in kept if past[0] != split]


def reconciled_ancestors(one: Envelope, two: Envelope) -> list[list]:
    """Both heads and both their ancestors, less all below the higher of the two lists' lowest epochs, then cut."""
    lists = [[[head.manifest[M_EPOCH], h(head.manifest_bytes)]] + head.manifest[M_ANCESTORS] for head in (one, two)]
    silent_below = max(min(past[0] for past in pasts) for pasts in lists)
    joined = {(epoch, digest) for pasts in lists for epoch, digest in pasts if epoch >= silent_below}
    return cut_ancestors([list(past) for past in joined])


def backup_lineage(plain: bytes) -> tuple[dict, bytes, dict[bytes, int]]:
    """Item type 2: the last backup's manifest and VRK, and what it covers: the start of each item_id, and its version."""
    lineage = decode_cbor(plain)
    map_of({1: exactly(1), 2: bstr(), 3: b(32), 4: bstr()})(lineage)
    covered = [lineage[4][at:at + 12] for at in range(0, len(lineage[4]), 12)]
    if any(len(one) != 12 for one in covered) or not strictly_ascending([one[:8] for one in covered]):
        raise Malformed("the items that a backup covers")
    return decode_manifest(lineage[2]), lineage[3], {one[:8]: int.from_bytes(one[8:], "big") for one in covered}


class Draft:
    """The next state of a vault. `finish` makes the envelope."""

    def __init__(self, randomness=system_randomness, now: int | None = None):
        self.randomness = randomness
        self.now = int(clock.time()) if now is None else now
        self.slots: dict[bytes, dict] = {}
        self.items: dict[bytes, dict] = {}

    @staticmethod
    def create(randomness=system_randomness, now: int | None = None, vault_id: bytes | None = None,
               policy: dict | None = None, backup: dict | None = None) -> Draft:
        draft = Draft(randomness, now)
        draft.vault_id = vault_id or randomness("vault_id", 16)
        draft.epoch = draft.key_gen = 1
        draft.ancestors, draft.floor = [], SUITE_X25519
        draft.policy, draft.backup = policy, backup
        draft.keys = VaultKeys(draft.vault_id, randomness("vrk.1", 32))
        draft.lineage = [draft.link(draft.keys.lineage_seed())]
        return draft

    @staticmethod
    def on(base: OpenVault, randomness=system_randomness, now: int | None = None) -> Draft:
        if base.envelope.items is None:
            raise ValueError("a draft needs the whole form")
        draft, manifest = Draft(randomness, now), base.manifest
        draft.vault_id, draft.key_gen, draft.keys = base.vault_id, base.key_gen, base.keys
        draft.epoch = manifest[M_EPOCH] + 1
        itself = [manifest[M_EPOCH], h(base.envelope.manifest_bytes)]
        draft.ancestors = cut_ancestors([itself] + manifest[M_ANCESTORS])
        draft.floor, draft.lineage = manifest[M_FLOOR], list(manifest[M_LINEAGE])
        draft.policy, draft.backup = manifest.get(M_POLICY), manifest.get(M_BACKUP)
        draft.slots = {slot[S_SLOT_ID]: dict(slot) for slot in manifest[M_SLOTS]}
        draft.items = {item[I_ITEM_ID]: dict(item) for item in base.envelope.items}
        return draft

    def link(self, signing_seed: bytes) -> dict:
        public = self.keys.lineage_public()
        return {1: self.key_gen, 2: public,
                3: ed25519_sign(signing_seed, lineage_message(self.vault_id, self.key_gen, public))}

    # ---- slots

    def slot_name(self, slot: dict) -> str:
        return f"{slot[S_SLOT_ID].hex()[:4]}.{slot[S_SLOT_GEN]}"

    def new_slot_id(self, name: str) -> bytes:
        return self.randomness(f"slot_id.{name}", 16)

    def enrol(self, kind: int, unlock: dict, ikm: bytes, label: str, *, slot_id: bytes | None = None,
              private: dict | None = None, transports: int | None = None) -> bytes:
        slot = {S_SLOT_ID: slot_id or self.new_slot_id(label), S_KIND: kind, S_STATUS: ENABLED,
                S_SLOT_GEN: 1, S_SUITE: SUITE_X25519, S_UNLOCK: unlock}
        if transports:
            slot[S_TRANSPORTS] = transports
        if slot[S_SLOT_ID] in self.slots:
            raise ValueError("slot_id used before")
        self.make_slot_generation(slot, ikm)
        self.set_private(slot, {1: label, 8: self.now} | (private or {}))
        self.slots[slot[S_SLOT_ID]] = slot
        return slot[S_SLOT_ID]

    def enrol_passkey(self, rp_id: str, credential_id: bytes, prf_salt: bytes, prf: bytes, prf_again: bytes,
                      label: str = "passkey", salt_mode: int = SALT_PER_SLOT, pin: str | None = None,
                      argon: dict | None = None, **more) -> bytes:
        """`prf_again` comes from a second, separate assertion and must agree."""
        if uv_prf_output(prf) != uv_prf_output(prf_again):
            raise WrongSecret("the second assertion answers differently")
        unlock = {1: rp_id, 2: credential_id, 3: prf_salt, 4: salt_mode} | ({5: argon} if argon else {})
        return self.enrol(PASSKEY, unlock, passkey_ikm(unlock, Secret(prf=prf, pin=pin)), label, **more)

    def enrol_code(self, code: bytes | None = None, label: str = "recovery code", kind: int = CODE, **more) -> tuple[bytes, str]:
        code = code or self.randomness("code", 20)
        slot_id = self.enrol(kind, {}, fixed_length(code, 20), label, **more)
        return slot_id, code_text(self.vault_id, code)

    def default_argon(self) -> dict:
        return {1: 65536, 2: 3, 3: 4, 4: self.randomness("argon2.salt", 16)}

    def enrol_passphrase(self, passphrase: str, argon: dict | None = None, label: str = "passphrase", **more) -> bytes:
        argon = argon or self.default_argon()
        return self.enrol(PASSPHRASE, argon, argon2id(passphrase, argon), label, **more)

    def enrol_device(self, secret: bytes, label: str = "device", **more) -> bytes:
        return self.enrol(DEVICE, {}, fixed_length(secret, 32), label, **more)

    def enrol_shares(self, k: int, n: int, label: str = "shares", **more) -> tuple[bytes, list[str]]:
        secret, set_id = self.randomness("share.secret", 32), self.randomness("set_id", 8)
        coefficients = [self.randomness(f"share.coeff.{i}", 32) for i in range(1, k)]
        shares = split_shares(secret, k, n, set_id, coefficients)
        slot_id = self.enrol(SHARES, {1: k, 2: n, 3: set_id}, secret, label, **more)
        return slot_id, [share_text(share) for share in shares]

    def add_idle(self, slot_id: bytes, status: int, private: dict):
        """A passkey that is kept in the list but opens nothing."""
        slot = {S_SLOT_ID: slot_id, S_KIND: PASSKEY, S_STATUS: status, S_SLOT_GEN: 1}
        self.set_private(slot, private)
        self.slots[slot_id] = slot

    def make_slot_generation(self, slot: dict, ikm: bytes):
        """All that a slot generation owns: salt, key pair, SAK, and what is made of them."""
        name = self.slot_name(slot)
        slot[S_BORN] = self.key_gen
        slot[S_KDF_SALT] = self.randomness(f"kdf_salt.{name}", 32)
        slot_sk = x25519_clamp(self.randomness(f"slot_sk.{name}", 32))
        sak = self.randomness(f"sak.{name}", 32)
        slot[S_SLOT_PK] = x25519_public(slot_sk)
        k_enc, slot[S_K_COM] = derive_slot_keys(self.vault_id, slot, ikm)
        nonce = self.randomness(f"wrapped.nonce.{name}", 12)
        slot[S_WRAPPED] = aead_box(k_enc, nonce, slot_sk + sak, wrapped_aad(self.vault_id, slot))
        self.seal_vrk(slot, sak)

    def seal_vrk(self, slot: dict, sak: bytes):
        name = f"{self.slot_name(slot)}.{self.key_gen}"
        aad = seal_aad(slot, self.key_gen, self.keys.commit(self.key_gen))
        enc, context = hpke_send(self.randomness(f"seal.ikmE.{name}", 32), slot[S_SLOT_PK],
                                 seal_info(self.vault_id, slot[S_SUITE]), sak, slot[S_SLOT_ID])
        slot[S_SEAL] = {1: enc, 2: AESGCM(context.key).encrypt(context.base_nonce, self.keys.vrk, aad)}
        slot[S_SAK_WRAP] = aead_box(self.keys.sak_wrap(slot[S_SLOT_ID], slot[S_SLOT_GEN]),
                                    self.randomness(f"sak.nonce.{name}", 12), sak,
                                    sak_aad(self.vault_id, slot, self.key_gen))

    def set_private(self, slot: dict, private: dict):
        nonce = self.randomness(f"private.nonce.{slot[S_SLOT_ID].hex()}", 12)
        slot[S_PRIVATE] = aead_box(self.keys.meta(), nonce, pad(cbor(private)),
                                   private_aad(self.vault_id, slot[S_SLOT_ID], self.key_gen))

    def refresh(self, slot_id: bytes, ikm: bytes):
        """New generation of the slot that was just used; it keeps its prf_salt."""
        slot = self.slots[slot_id]
        private = open_private(self.keys, slot, self.key_gen)
        slot[S_SLOT_GEN] += 1
        self.make_slot_generation(slot, ikm)
        self.set_private(slot, private)

    def resalt(self, slot_id: bytes, prf_salt: bytes, ikm: bytes):
        """Refresh with a new prf_salt; `ikm` belongs to the new salt."""
        slot = self.slots[slot_id]
        if slot[S_KIND] != PASSKEY or slot[S_UNLOCK][4] != SALT_PER_SLOT:
            raise ValueError("resalt is for salt_mode 1")
        slot[S_UNLOCK] = slot[S_UNLOCK] | {3: prf_salt}
        self.refresh(slot_id, ikm)

    def rotate(self):
        old_keys, old_gen = self.keys, self.key_gen
        saks = {slot_id: open_sak_wrap(old_keys, slot, old_gen)
                for slot_id, slot in self.slots.items() if slot[S_STATUS] == ENABLED}
        if any(self.slots[slot_id][S_SUITE] != SUITE_X25519 for slot_id in saks):
            raise Unsupported("this program has no suite 2")
        self.key_gen += 1
        self.keys = VaultKeys(self.vault_id, self.randomness(f"vrk.{self.key_gen}", 32))
        self.lineage = (self.lineage + [self.link(old_keys.lineage_seed())])[-MAX_LINKS:]
        for slot_id, sak in saks.items():
            self.seal_vrk(self.slots[slot_id], sak)
        for slot in self.slots.values():
            if S_PRIVATE in slot:
                self.set_private(slot, open_private(old_keys, slot, old_gen))
        for item in self.items.values():
            self.wrap_content_key(item, open_content_key(old_keys, item, old_gen))

    def remove(self, slot_id: bytes):
        """Tombstone, and rotate in the same write."""
        slot = self.slots[slot_id]
        if slot[S_STATUS] != ENABLED:
            raise ValueError("not an enabled slot")
        if sum(other[S_STATUS] == ENABLED for other in self.slots.values()) == 1:
            raise PolicyViolation("the last slot")
        self.slots[slot_id] = {S_SLOT_ID: slot_id, S_KIND: slot[S_KIND], S_STATUS: TOMBSTONE,
                               S_SLOT_GEN: slot[S_SLOT_GEN], S_BORN: self.key_gen}
        self.drop_oldest_tombstones()
        self.rotate()

    def drop_oldest_tombstones(self):
        tombstones = [slot for slot in self.slots.values() if slot[S_STATUS] == TOMBSTONE]
        tombstones.sort(key=lambda slot: (slot[S_BORN], slot[S_SLOT_ID]))
        for slot in tombstones[:max(0, len(tombstones) - MAX_TOMBSTONES)]:
            del self.slots[slot[S_SLOT_ID]]

    # ---- items

    def add_item(self, item_type: int, plain: bytes, item_id: bytes | None = None) -> bytes:
        item_id = item_id or self.randomness("item_id", 16)
        if item_id in self.items:
            raise ValueError("item_id used before")
        self.write_item(item_id, 1, item_type, plain)
        return item_id

    def edit_item(self, item_id: bytes, plain: bytes):
        old = self.items[item_id]
        self.write_item(item_id, old[I_VERSION] + 1, old[I_TYPE], plain)

    def delete_item(self, item_id: bytes):
        del self.items[item_id]

    def write_item(self, item_id: bytes, version: int, item_type: int, plain: bytes):
        item = {I_ITEM_ID: item_id, I_VERSION: version, I_TYPE: item_type}
        name = f"{item_id.hex()[:4]}.{version}"
        content_key = self.randomness(f"cek.{name}", 32)
        nonce = self.randomness(f"item.nonce.{name}", 12)
        item[I_BODY] = aead_box(content_key, nonce, pad(plain), item_aad(self.vault_id, item))
        self.wrap_content_key(item, content_key)
        ITEM(item)
        self.items[item_id] = item

    def wrap_content_key(self, item: dict, content_key: bytes):
        nonce = self.randomness(f"cek.nonce.{item[I_ITEM_ID].hex()[:4]}.{item[I_VERSION]}.{self.key_gen}", 12)
        item[I_KEY] = aead_box(self.keys.item_kek(item[I_ITEM_ID], item[I_VERSION]), nonce, content_key,
                               item_key_aad(self.vault_id, item, self.key_gen))

    # ---- the envelope

    def manifest(self, items: list[dict]) -> dict:
        manifest = {M_VERSION: 1, M_VAULT_ID: self.vault_id, M_EPOCH: self.epoch, M_KEY_GEN: self.key_gen,
                    M_ANCESTORS: self.ancestors, M_VRK_COMMIT: self.keys.commit(self.key_gen), M_FLOOR: self.floor,
                    M_SLOTS: [self.slots[slot_id] for slot_id in sorted(self.slots)],
                    M_ITEM_ROOT: item_root([item_row(item) for item in items]),
                    M_LINEAGE: self.lineage, M_TIME: self.now}
        if self.policy is not None:
            manifest[M_POLICY] = self.policy
        if self.backup is not None:
            manifest[M_BACKUP] = self.backup
        return manifest

    def finish(self) -> bytes:
        items = [self.items[item_id] for item_id in sorted(self.items)]
        manifest_bytes = cbor(self.manifest(items))
        check_policy(decode_manifest(manifest_bytes), self.backup is not None)
        return cbor({1: manifest_bytes, 2: manifest_mac(self.keys, manifest_bytes), 3: items})


def index_form(envelope: bytes) -> tuple[bytes, list[bytes]]:
    """The index form of a whole envelope, and its items as objects of their own."""
    whole = decode_cbor(envelope)
    index = cbor({1: whole[1], 2: whole[2], 4: [item_row(item) for item in whole[3]]})
    return index, [cbor(item) for item in whole[3]]


# --------------------------------------------------------------------------------------
# Command line
# --------------------------------------------------------------------------------------

KIND_NAMES = {PASSKEY: "passkey", CODE: "code", PASSPHRASE: "passphrase", SHARES: "shares",
              CONTACT: "contact", DEVICE: "device"}
STATUS_NAMES = {ENABLED: "enabled", IDLE_CAN_ENCRYPT: "idle (can encrypt)",
                IDLE_SIGN_IN_ONLY: "idle (sign-in only)", TOMBSTONE: "removed"}
SECRET_OF_KIND = {PASSKEY: "prf", CODE: "code", PASSPHRASE: "passphrase", SHARES: "shares",
                  CONTACT: "code", DEVICE: "device"}
PRIVATE_NAMES = {1: "label", 2: "rp_id", 3: "credential_id", 4: "cose_public_key", 5: "aaguid",
                 6: "backup_eligible", 7: "backed_up", 8: "created", 9: "last_used", 10: "last_verified", 11: "note"}


def read_file(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def read_envelope(path: str, backup: bool = False) -> bytes:
    data = read_file(path)
    return decode_backup_file(data) if backup else data


def write_file(path: str, data: bytes):
    with open(path, "wb") as file:
        file.write(data)


def file_text(path: str) -> str:
    """The text of a secret file, less one line break at its end."""
    text = read_file(path).decode()
    return text.removesuffix("\n").removesuffix("\r")


def looks_like_code(text: str) -> bool:
    return text.strip().upper().startswith("CS1-")


def read_secret(kind: str, path: str, pin_path: str | None = None) -> Secret:
    text = file_text(path)
    if kind == "passphrase":
        return Secret(passphrase=text)
    if kind == "shares":
        return Secret(shares=[read_share(line) for line in text.splitlines() if line.strip()])
    if kind == "code" and looks_like_code(text):
        return Secret(code=text)
    raw = bytes.fromhex(text.strip())
    pin = file_text(pin_path) if pin_path else None
    return {"prf": Secret(prf=raw, pin=pin), "code": Secret(code=raw), "device": Secret(device=raw)}[kind]


def readable(value):
    return value.hex() if isinstance(value, bytes) else value


def private_json(private: dict | None) -> dict | None:
    return private and {PRIVATE_NAMES[key]: readable(value) for key, value in private.items()}


def slot_json(vault_id: bytes, slot: dict) -> dict:
    kind, status = slot[S_KIND], slot[S_STATUS]
    shown = {"slot_id": slot[S_SLOT_ID].hex(), "kind": kind, "kind_name": KIND_NAMES[kind],
             "status": status, "status_name": STATUS_NAMES[status], "slot_gen": slot[S_SLOT_GEN]}
    if status == ENABLED:
        shown |= {"suite": slot[S_SUITE], "born": slot[S_BORN]}
    if status == ENABLED and kind == PASSKEY:
        unlock = slot[S_UNLOCK]
        shown |= {"rp_id": unlock[1], "credential_id": unlock[2].hex(), "prf_salt": unlock[3].hex(),
                  "salt_mode": unlock[4], "prf_input": prf_input(vault_id, unlock).hex(), "needs_pin": 5 in unlock}
    return shown


def manifest_json(envelope: Envelope) -> dict:
    manifest = envelope.manifest
    return {"vault_id": manifest[M_VAULT_ID].hex(), "epoch": manifest[M_EPOCH], "key_gen": manifest[M_KEY_GEN],
            "floor": manifest[M_FLOOR], "time": manifest[M_TIME], "backup": M_BACKUP in manifest,
            "form": "index" if envelope.items is None else "whole",
            "manifest_hash": h(envelope.manifest_bytes).hex()}


def item_json(vault: OpenVault, item: dict) -> dict:
    return {"item_id": item[I_ITEM_ID].hex(), "version": item[I_VERSION], "type": item[I_TYPE],
            "plaintext": open_item(vault.keys, item, vault.key_gen).hex()}


def vault_json(vault: OpenVault) -> dict:
    shown = manifest_json(vault.envelope)
    shown["slots"] = [slot_json(vault.vault_id, slot) | {"private": private_json(vault.private(slot[S_SLOT_ID]))}
                      for slot in vault.manifest[M_SLOTS]]
    shown["items"] = [item_json(vault, item) for item in vault.envelope.items or []]
    return shown | {"state": vault.state, "seen": vault.seen().to_json()}


def command_inspect(args) -> dict:
    envelope = decode_envelope(read_envelope(args.file, args.backup))
    slots = [slot_json(envelope.manifest[M_VAULT_ID], slot) for slot in envelope.manifest[M_SLOTS]]
    return manifest_json(envelope) | {"authenticated": False, "slots": slots}


def open_from_args(args) -> OpenVault:
    data, slot_id = read_envelope(args.file, args.backup), bytes.fromhex(args.slot)
    slot = take_enabled_slot(decode_envelope(data).manifest, slot_id)
    secret = read_secret(args.kind or SECRET_OF_KIND[slot[S_KIND]], args.secret_file, args.pin_file)
    memory = None
    if args.memory:
        memory = Seen.from_json(json.loads(read_file(args.memory)))
    expected = bytes.fromhex(args.expect_vault_id) if args.expect_vault_id else None
    return open_vault(data, slot_id, secret, memory, expected, args.backup)


def command_open(args) -> dict:
    return vault_json(open_from_args(args))


def typed_plaintext(argument: str) -> tuple[int, bytes]:
    number, _, plain = argument.partition(":")
    return int(number), bytes.fromhex(plain)


def first_slot(draft: Draft, args) -> dict:
    """Enrols what `write` was asked for and says what the caller has to know."""
    if args.kind == "code":
        secret = read_secret("code", args.secret_file).code if args.secret_file else None
        code = secret and code_ikm(draft.vault_id, secret)
        slot_id, text = draft.enrol_code(code)
        return {"slot_id": slot_id.hex(), "recovery_code": text}
    secret = read_secret(args.kind, args.secret_file)
    if args.kind == "device":
        return {"slot_id": draft.enrol_device(secret.device).hex()}
    if args.kind == "passphrase":
        return {"slot_id": draft.enrol_passphrase(secret.passphrase).hex()}
    slot_id = draft.enrol_passkey(args.rp_id, bytes.fromhex(args.credential_id), bytes.fromhex(args.prf_salt),
                                  secret.prf, secret.prf)
    return {"slot_id": slot_id.hex()}


def command_write(args) -> dict:
    if args.kind != "code" and not args.secret_file:
        raise SystemExit("--secret-file is needed")
    if args.kind == "prf" and not (args.rp_id and args.credential_id and args.prf_salt and args.vault_id):
        raise SystemExit("--kind prf needs --rp-id, --credential-id, --prf-salt and --vault-id")
    draft = Draft.create(vault_id=bytes.fromhex(args.vault_id) if args.vault_id else None)
    said = first_slot(draft, args)
    if args.recovery_code:
        code_slot, text = draft.enrol_code()
        said |= {"code_slot_id": code_slot.hex(), "recovery_code": text}
    items = [draft.add_item(*typed_plaintext(item)).hex() for item in args.item]
    envelope = draft.finish()
    write_file(args.out, envelope)
    return manifest_json(decode_envelope(envelope)) | said | {"items": items}


def command_edit(args) -> dict:
    vault = open_from_args(args)
    draft, said = Draft.on(vault), {}
    for slot in args.remove:
        draft.remove(bytes.fromhex(slot))
    if args.rotate:
        draft.rotate()
    if args.refresh:
        draft.refresh(vault.slot_id, vault.ikm)
    if args.enrol_code:
        slot_id, text = draft.enrol_code()
        said |= {"code_slot_id": slot_id.hex(), "recovery_code": text}
    if args.enrol_device:
        said["device_slot_id"] = draft.enrol_device(read_secret("device", args.enrol_device).device).hex()
    for change in args.set:
        item_id, _, plain = change.partition(":")
        draft.edit_item(bytes.fromhex(item_id), bytes.fromhex(plain))
    for item_id in args.delete:
        draft.delete_item(bytes.fromhex(item_id))
    said["items_added"] = [draft.add_item(*typed_plaintext(item)).hex() for item in args.put]
    envelope = draft.finish()
    write_file(args.out, encode_backup_file(envelope) if args.backup else envelope)
    return manifest_json(decode_envelope(envelope)) | said | {"base_state": vault.state}


def add_opening_arguments(parser: argparse.ArgumentParser):
    parser.add_argument("--slot", required=True, metavar="HEX")
    parser.add_argument("--secret-file", required=True)
    parser.add_argument("--kind", choices=["prf", "code", "device", "passphrase", "shares"],
                        help="what the secret file holds; the slot's kind tells where this is left out")
    parser.add_argument("--pin-file", help="extra PIN of a passkey slot")
    parser.add_argument("--memory", help="JSON of the state last seen, as `open` prints it under `seen`")
    parser.add_argument("--expect-vault-id", metavar="HEX")


def argument_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)

    inspect = commands.add_parser("inspect", help="list the slots; nothing of it is authenticated")
    inspect.add_argument("file")
    inspect.set_defaults(run=command_inspect)

    opening = commands.add_parser("open", help="open by one slot and print everything")
    opening.add_argument("file")
    add_opening_arguments(opening)
    opening.set_defaults(run=command_open)

    write = commands.add_parser("write", help="make a fresh vault with one slot")
    write.add_argument("out")
    write.add_argument("--kind", required=True, choices=["device", "code", "prf", "passphrase"])
    write.add_argument("--secret-file")
    write.add_argument("--rp-id")
    write.add_argument("--credential-id", metavar="HEX")
    write.add_argument("--prf-salt", metavar="HEX")
    write.add_argument("--vault-id", metavar="HEX")
    write.add_argument("--recovery-code", action="store_true", help="a second slot, with a code that is printed")
    write.add_argument("--item", action="append", default=[], metavar="TYPE:HEX")
    write.set_defaults(run=command_write)

    edit = commands.add_parser("edit", help="open, change, and write the next state")
    edit.add_argument("file")
    edit.add_argument("out")
    add_opening_arguments(edit)
    edit.add_argument("--rotate", action="store_true")
    edit.add_argument("--refresh", action="store_true", help="the slot that opened it; after a rotation if both")
    edit.add_argument("--put", action="append", default=[], metavar="TYPE:HEX", help="a new item")
    edit.add_argument("--set", action="append", default=[], metavar="ITEM_ID:HEX", help="a new version of an item")
    edit.add_argument("--delete", action="append", default=[], metavar="ITEM_ID")
    edit.add_argument("--remove", action="append", default=[], metavar="SLOT_ID", help="rotates")
    edit.add_argument("--enrol-code", action="store_true")
    edit.add_argument("--enrol-device", metavar="SECRET_FILE")
    edit.set_defaults(run=command_edit)

    for command in (inspect, opening, edit):
        command.add_argument("--backup", action="store_true", help="the file is a BackupFile")
    return parser


def main() -> int:
    args = argument_parser().parse_args()
    try:
        answer, code = args.run(args), 0
    except VaultError as error:
        answer, code = {"error": type(error).__name__, "detail": str(error)}, 1
    print(json.dumps(answer, indent=1))
    return code


if __name__ == "__main__":
    sys.exit(main())
