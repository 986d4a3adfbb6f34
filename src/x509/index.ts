/**
 * Certificate requests and self-signed certificates for keys that never leave their store (PKCS #10, RFC 2986; RFC 5280).
 *
 * Needs the packages `@peculiar/x509` and `reflect-metadata`, which are loaded at the first call.
 */

export {
  type CertificateOptions,
  type CsrOptions,
  createCsr,
  type Encoded,
  selfSignedCertificate,
} from "./create-csr.js";
export type { SubjectAltNames } from "./subject-alt-names.js";
