/** The SDK's own copies of gRPC and the auth library. */
import { createRequire } from "node:module";

/** The package `google-gax`, which the SDK depends on. */
export type Gax = typeof import("google-gax");

/** Loads the copy that the SDK uses: its classes are compared with `instanceof`. */
export function loadGax(): Gax {
  const { resolve } = createRequire(import.meta.url);
  return createRequire(resolve("@google-cloud/kms"))("google-gax");
}
