/** gRPC, as the packages of Google's SDK have it: an application doesn't install it itself. */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** The gRPC library. */
export type Grpc = typeof import("@grpc/grpc-js");

/** The status codes of gRPC (https://grpc.io/docs/guides/status-codes) that the emulator returns. */
export const status = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

/**
 * Loads gRPC, and a function that reads service definitions from the proto files of the SDK.
 *
 * @throws If `@google-cloud/kms` isn't installed.
 */
export function loadGrpc(): { grpc: Grpc; loadService: (file: string) => unknown } {
  const kms = resolveSdk();
  const gax = createRequire(kms).resolve("google-gax");
  const require = createRequire(gax);
  const grpc: Grpc = require("@grpc/grpc-js");
  const { loadSync }: typeof import("@grpc/proto-loader") = require("@grpc/proto-loader");
  const includeDirs = [join(dirname(kms), "../protos"), join(dirname(gax), "../protos")];
  const wire = { longs: String, enums: String, defaults: true, oneofs: true };
  return { grpc, loadService: (file) => grpc.loadPackageDefinition(loadSync(file, { ...wire, includeDirs })) };
}

function resolveSdk(): string {
  try {
    return createRequire(import.meta.url).resolve("@google-cloud/kms");
  } catch (cause) {
    const remedy = "Install it: npm install --save-dev @google-cloud/kms";
    throw new Error(`The emulator of Cloud KMS uses the protocol files of @google-cloud/kms. ${remedy}`, { cause });
  }
}
