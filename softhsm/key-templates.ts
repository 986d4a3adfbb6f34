/** The PKCS#11 templates of a key pair to generate or to import. */
import { ulong } from "./cryptoki.js";
import type { KeyMaterial } from "./key-material.js";
import type { Attribute, KeyPairRequest } from "./protocol.js";

const CKO_PUBLIC_KEY = 2;
const CKO_PRIVATE_KEY = 3;

const CKA_CLASS = 0x0;
const CKA_TOKEN = 0x1;
const CKA_PRIVATE = 0x2;
const CKA_LABEL = 0x3;
const CKA_KEY_TYPE = 0x100;
const CKA_ID = 0x102;
const CKA_SENSITIVE = 0x103;
const CKA_DECRYPT = 0x105;
const CKA_UNWRAP = 0x107;
const CKA_SIGN = 0x108;
const CKA_SIGN_RECOVER = 0x109;
const CKA_VERIFY = 0x10a;
const CKA_DERIVE = 0x10c;
const CKA_EXTRACTABLE = 0x162;
const CKA_ALWAYS_AUTHENTICATE = 0x202;
const CKA_ALLOWED_MECHANISMS = 0x40000600;

/** Selects keys on a token by their label, their id, or both. */
export interface KeyName {
  /** `CKA_LABEL`. */
  readonly label?: string | undefined;
  /** `CKA_ID` in hexadecimal. */
  readonly id?: string | undefined;
}

/** The attributes of a key pair that a caller chooses. */
export interface KeyAttributes {
  readonly label: string;
  readonly id: string;
  readonly extractable: boolean;
  readonly alwaysAuthenticate: boolean;
  readonly publicObject: boolean;
  readonly mechanisms: readonly number[] | undefined;
}

/** Returns the request that makes a key pair, which may only sign and verify. */
export function keyPairRequest(key: KeyAttributes, material: KeyMaterial): KeyPairRequest {
  const { extractable, alwaysAuthenticate, publicObject, mechanisms } = key;
  const isImported = material.mechanism === undefined;
  // A library derives the classes and the type of a generated pair from its mechanism.
  const typed = (objectClass: number) =>
    isImported ? [number(CKA_CLASS, objectClass), number(CKA_KEY_TYPE, material.keyType)] : [];
  const common = [bool(CKA_TOKEN, true), ...nameAttributes(key)];
  return {
    mechanism: material.mechanism,
    publicObject,
    publicKey: [
      ...typed(CKO_PUBLIC_KEY),
      ...common,
      bool(CKA_PRIVATE, false),
      bool(CKA_VERIFY, true),
      ...material.publicKey,
    ],
    privateKey: [
      ...typed(CKO_PRIVATE_KEY),
      ...common,
      bool(CKA_PRIVATE, true),
      bool(CKA_SENSITIVE, true),
      bool(CKA_SIGN, true),
      bool(CKA_EXTRACTABLE, extractable),
      bool(CKA_ALWAYS_AUTHENTICATE, alwaysAuthenticate),
      // By default, SoftHSM allows them.
      ...[CKA_DECRYPT, CKA_UNWRAP, CKA_SIGN_RECOVER, CKA_DERIVE].map((type) => bool(type, false)),
      ...(mechanisms ? [{ type: CKA_ALLOWED_MECHANISMS, value: Buffer.concat(mechanisms.map(ulong)) }] : []),
      ...material.privateKey,
    ],
  };
}

/** Which keys of a pair. */
export type KeyHalf = "private" | "public";

/** Returns the templates that find the keys with this name. */
export function searchTemplates(name: KeyName, halves: readonly KeyHalf[]): Attribute[][] {
  const classes = { private: CKO_PRIVATE_KEY, public: CKO_PUBLIC_KEY };
  return halves.map((half) => [number(CKA_CLASS, classes[half]), ...nameAttributes(name)]);
}

function nameAttributes({ label, id }: KeyName): Attribute[] {
  return [
    ...(label === undefined ? [] : [{ type: CKA_LABEL, value: Buffer.from(label) }]),
    ...(id === undefined ? [] : [{ type: CKA_ID, value: Buffer.from(id, "hex") }]),
  ];
}

function bool(type: number, value: boolean): Attribute {
  return { type, value: Buffer.of(value ? 1 : 0) };
}

function number(type: number, value: number): Attribute {
  return { type, value: ulong(value) };
}
