/**
 * Generates a key pair on an NSS token or deletes an object. nss-token.ts starts it with a request in `HARDPROOF_NSS`.
 */
import graphene from "graphene-pk11";

const CKF_OS_LOCKING_OK = 0x2;
const CKF_SERIAL_AND_RW_SESSION = 0x6;
const CKU_USER = 1;
const [CKO_PUBLIC_KEY, CKO_PRIVATE_KEY] = [2, 3];
const [CKA_CLASS, CKA_TOKEN, CKA_PRIVATE, CKA_LABEL, CKA_ID] = [0x0, 0x1, 0x2, 0x3, 0x102];
const [CKA_SENSITIVE, CKA_SIGN, CKA_VERIFY, CKA_EXTRACTABLE] = [0x103, 0x108, 0x10a, 0x162];
const [CKA_MODULUS_BITS, CKA_PUBLIC_EXPONENT, CKA_EC_PARAMS] = [0x121, 0x122, 0x180];
const [CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_EC_KEY_PAIR_GEN] = [0x0, 0x1040];

const curve = (der) => [CKM_EC_KEY_PAIR_GEN, [{ type: CKA_EC_PARAMS, value: Buffer.from(der, "hex") }]];
const types = {
  ES256: curve("06082a8648ce3d030107"),
  ES384: curve("06052b81040022"),
  RS256: [
    CKM_RSA_PKCS_KEY_PAIR_GEN,
    [
      { type: CKA_MODULUS_BITS, value: 2048 },
      { type: CKA_PUBLIC_EXPONENT, value: Buffer.from([1, 0, 1]) },
    ],
  ],
};

const request = JSON.parse(process.env.HARDPROOF_NSS);
const { lib } = graphene.Module.load(request.module);
lib.C_Initialize({ flags: CKF_OS_LOCKING_OK, libraryParameters: request.libraryParameters });
const slot = lib
  .C_GetSlotList(true)
  .find((candidate) => lib.C_GetTokenInfo(candidate).label.trimEnd() === request.label);
if (!slot) throw new Error(`NSS does not have a token "${request.label}".`);
const session = lib.C_OpenSession(slot, CKF_SERIAL_AND_RW_SESSION);
lib.C_Login(session, CKU_USER, request.pin);
if (request.generate) generate(request.generate);
if (request.delete) remove(request.delete);
lib.C_Finalize();

function generate({ label, id, algorithm = "ES256", extractable = false }) {
  const [mechanism, parameters] = types[algorithm];
  const common = [
    { type: CKA_TOKEN, value: true },
    { type: CKA_LABEL, value: label },
    { type: CKA_ID, value: Buffer.from(id, "hex") },
  ];
  const privateAttributes = [
    { type: CKA_PRIVATE, value: true },
    { type: CKA_SENSITIVE, value: true },
    { type: CKA_EXTRACTABLE, value: extractable },
    { type: CKA_SIGN, value: true },
  ];
  const publicAttributes = [{ type: CKA_VERIFY, value: true }, ...parameters];
  lib.C_GenerateKeyPair(
    session,
    { mechanism, parameter: null },
    [...common, ...publicAttributes],
    [...common, ...privateAttributes],
  );
}

function remove({ half, id, label }) {
  const template = [
    { type: CKA_CLASS, value: half === "public" ? CKO_PUBLIC_KEY : CKO_PRIVATE_KEY },
    { type: CKA_ID, value: Buffer.from(id, "hex") },
    ...(label === undefined ? [] : [{ type: CKA_LABEL, value: label }]),
  ];
  lib.C_FindObjectsInit(session, template);
  const [object] = lib.C_FindObjects(session, 1);
  lib.C_FindObjectsFinal(session);
  if (!object) throw new Error(`NSS does not have a ${half} key with ID ${id}.`);
  lib.C_DestroyObject(session, object);
}
