/** The words of the AWS KMS API, as in the types of `@aws-sdk/client-kms`, which an emulator's user may not have. */

/** What a key is: its type and curve or length. */
export type KeySpec =
  | "ECC_NIST_EDWARDS25519"
  | "ECC_NIST_P256"
  | "ECC_NIST_P384"
  | "ECC_NIST_P521"
  | "ECC_SECG_P256K1"
  | "HMAC_224"
  | "HMAC_256"
  | "HMAC_384"
  | "HMAC_512"
  | "ML_DSA_44"
  | "ML_DSA_65"
  | "ML_DSA_87"
  | "ML_KEM_1024"
  | "ML_KEM_512"
  | "ML_KEM_768"
  | "RSA_2048"
  | "RSA_3072"
  | "RSA_4096"
  | "SM2"
  | "SYMMETRIC_DEFAULT";

/** The state of a key. */
export type KeyState =
  | "Creating"
  | "Disabled"
  | "Enabled"
  | "PendingDeletion"
  | "PendingImport"
  | "PendingReplicaDeletion"
  | "Unavailable"
  | "Updating";

/** What a key may be used for. */
export type KeyUsageType =
  | "ENCAPSULATE_DECAPSULATE"
  | "ENCRYPT_DECRYPT"
  | "GENERATE_VERIFY_MAC"
  | "KEY_AGREEMENT"
  | "SIGN_VERIFY";

/** Where key material comes from. */
export type OriginType = "AWS_CLOUDHSM" | "AWS_KMS" | "EXTERNAL" | "EXTERNAL_KEY_STORE";

/** What a request to sign contains. */
export type MessageType = "DIGEST" | "EXTERNAL_MU" | "RAW";

/** A signing algorithm. */
export type SigningAlgorithmSpec =
  | "ECDSA_SHA_256"
  | "ECDSA_SHA_384"
  | "ECDSA_SHA_512"
  | "ED25519_PH_SHA_512"
  | "ED25519_SHA_512"
  | "ML_DSA_SHAKE_256"
  | "RSASSA_PKCS1_V1_5_SHA_256"
  | "RSASSA_PKCS1_V1_5_SHA_384"
  | "RSASSA_PKCS1_V1_5_SHA_512"
  | "RSASSA_PSS_SHA_256"
  | "RSASSA_PSS_SHA_384"
  | "RSASSA_PSS_SHA_512"
  | "SM2DSA";
