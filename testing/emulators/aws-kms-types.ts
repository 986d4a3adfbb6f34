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

/** What the `Message` of a request to sign is. */
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

/** Names a key. */
export interface AwsKmsKeyRequest {
  /** Id or ARN of the key, name or ARN of an alias. */
  readonly KeyId: string;
}

/** The request of a signature. */
export interface AwsKmsSignInput extends AwsKmsKeyRequest {
  /** The algorithm of the signature. */
  readonly SigningAlgorithm: SigningAlgorithmSpec;
  /** The message or its digest, in base64. */
  readonly Message: string;
  /** What `Message` is. Default: `RAW`. */
  readonly MessageType?: MessageType;
  /** Whether the service only checks the request. */
  readonly DryRun?: boolean;
}

/** The request to create a key. */
export interface AwsKmsCreateKeyInput {
  /** The type of the key. */
  readonly KeySpec: KeySpec;
  /** What the key may be used for. */
  readonly KeyUsage: KeyUsageType;
  /** Where its material comes from. Default: `AWS_KMS`. */
  readonly Origin?: OriginType;
  /** The description in its metadata. */
  readonly Description?: string;
  /** Whether it is a multi-Region key. */
  readonly MultiRegion?: boolean;
  /** The tags, as the API has them: `TagKey` and `TagValue`. */
  readonly Tags?: readonly Readonly<Record<"TagKey" | "TagValue", string>>[];
}

/** The request to schedule the deletion of a key. */
export interface AwsKmsScheduleKeyDeletionInput extends AwsKmsKeyRequest {
  /** Days, 7 to 30. Default: 30. */
  readonly PendingWindowInDays?: number;
}

/** The request to name a key. */
export interface AwsKmsCreateAliasInput {
  /** The name, which starts with `alias/`. */
  readonly AliasName: string;
  /** Id or ARN of the key. */
  readonly TargetKeyId: string;
}

/** The request of a page of the account's keys. */
export interface AwsKmsListKeysInput {
  /** `NextMarker` of the page before. */
  readonly Marker?: string;
  /** The most keys on the page. The emulator doesn't use it. */
  readonly Limit?: number;
}

/** The request of each operation, as clients send it. It is recorded before the emulator checks it. */
export interface AwsKmsRequests {
  /** Requests a public key. */
  GetPublicKey: AwsKmsKeyRequest;
  /** Requests a signature. */
  Sign: AwsKmsSignInput;
  /** Requests the metadata of a key. */
  DescribeKey: AwsKmsKeyRequest;
  /** Creates a key. */
  CreateKey: AwsKmsCreateKeyInput;
  /** Gives a key an alias. */
  CreateAlias: AwsKmsCreateAliasInput;
  /** Requests a page of the account's keys. */
  ListKeys: AwsKmsListKeysInput;
  /** Schedules the deletion of a key. */
  ScheduleKeyDeletion: AwsKmsScheduleKeyDeletionInput;
}
