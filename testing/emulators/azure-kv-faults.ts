/** The faults of the Key Vault emulator. */
import { AzureKvError, forbidden } from "./azure-kv-error.js";
import { VaultKeys } from "./azure-kv-keys.js";
import { type AzureKvOperation, type AzureKvRequest, operations } from "./azure-kv-operations.js";
import type { Fault } from "./fault-plan.js";

/** The data action of an operation that a role must allow. */
const ACTIONS: Readonly<Record<AzureKvOperation, string>> = {
  GetKey: "read",
  sign: "sign/action",
  CreateKey: "create/action",
  GetKeys: "read",
  GetDeletedKey: "read",
  GetKeyAttestation: "read",
  UpdateKey: "update/action",
  DeleteKey: "delete",
  RotateKey: "rotate/action",
};

/** Throws if the fault is an error response, with the wording of the service. */
export function throwIfError(fault: Fault | undefined, operation: AzureKvOperation, keys: VaultKeys): void {
  if (fault === "throttle")
    throw new AzureKvError({ status: 429, code: "Throttled", message: "The request was throttled.", retryAfter: 1 });
  if (fault === "5xx")
    throw new AzureKvError({ status: 503, code: "ServiceUnavailable", message: "The service is unavailable." });
  if (fault === "denied") throw forbidden("ForbiddenByRbac", deniedMessage(ACTIONS[operation], keys));
}

function deniedMessage(action: string, { vaultUrl, isManagedHsm }: VaultKeys): string {
  const scope = isManagedHsm ? "managedHsm" : "vaults";
  const [vault] = new URL(vaultUrl).hostname.split(".");
  return [
    "Caller is not authorized to perform action on resource.",
    "If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.",
    "Caller: appid=0a7bdc5c-7b57-40be-9939-d4c5fc7cd417;oid=f81d4fae;iss=https://sts.windows.net/72f988bf/",
    `Action: 'Microsoft.KeyVault/${scope}/keys/${action}'`,
    `Resource: '/subscriptions/5c6e/resourcegroups/rg/providers/microsoft.keyvault/${scope}/${vault}/keys/dpop'`,
    "Assignment: (not found)",
    "DenyAssignmentId: null",
    "DecisionReason: null ",
    `Vault: ${vault};location=westeurope`,
    "",
  ].join("\r\n");
}

interface FaultContext {
  readonly input: AzureKvRequest;
  readonly keys: VaultKeys;
}

type Response = { kid?: string; value?: unknown; key?: { kid: string } };

/** Damages a response after the service has produced it. */
export function damageResponse(fault: Fault | undefined, response: Response, context: FaultContext): object {
  if (response.kid !== undefined) return damageSignature(fault, response, context);
  if (response.key === undefined) return response;
  if (fault === "other-name") return { ...response, key: { ...response.key, kid: otherName(response.key.kid) } };
  if (fault === "other-key") return { ...response, key: { ...otherKey(context).key, kid: response.key.kid } };
  return response;
}

function damageSignature(fault: Fault | undefined, response: Response, { input, keys }: FaultContext): object {
  const signature = Buffer.from(String(response.value), "base64url");
  switch (fault) {
    case "other-key":
      return { ...response, value: Object(operations.sign(otherVault({ input, keys }), input)).value };
    case "wrong-signature": {
      const value = flipBit(Buffer.from(String(input.body.value), "base64url")).toString("base64url");
      return operations.sign(keys, { ...input, body: { ...input.body, value } });
    }
    case "corrupt-signature":
      return { ...response, value: flipBit(signature).toString("base64url") };
    case "other-name":
      return { ...response, kid: otherName(response.kid ?? "") };
    default:
      return response;
  }
}

/** Returns the bundle of another key of the same type. */
function otherKey(context: FaultContext): { key: object } {
  const { name, version } = context.input;
  return operations.GetKey(otherVault(context), { ...context.input, name, version: version && "" }) as { key: object };
}

/** Returns a vault with another key of the same name and type. */
function otherVault({ input, keys }: FaultContext): VaultKeys {
  const { name, kty, version, material } = keys.find(input.name, input.version);
  const other = new VaultKeys(keys.vaultUrl, keys.isManagedHsm);
  const { crv } = material.publicMembers;
  for (;;) {
    const key = other.add({ name, kty, ...(crv && { curve: crv as "P-256" }) });
    if (key.material.publicMembers.n !== material.publicMembers.n || crv) {
      other.all.set(name.toLowerCase(), [{ ...key, version }]);
      return other;
    }
  }
}

/** Returns the identifier of another version of the same key. */
function otherName(kid: string): string {
  return kid.replace(/[0-9a-f]{32}$/, (version) => Buffer.from(version, "hex").reverse().toString("hex"));
}

function flipBit(bytes: Buffer): Buffer {
  const at = Math.floor(bytes.length / 2);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  return bytes;
}
