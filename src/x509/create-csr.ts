/** Certificate requests (PKCS #10, RFC 2986) and self-signed certificates (RFC 5280) by any signer. */
import { type Signer, SignerError, type SignOptions } from "../index.js";
import { parseSubject } from "./distinguished-name.js";
import { usageOids } from "./extended-key-usage.js";
import { loadX509, type X509 } from "./load-x509.js";
import { signerCrypto } from "./signer-crypto.js";
import { type GeneralNames, generalNames, type SubjectAltNames } from "./subject-alt-names.js";

/** Options of {@link createCsr}. */
export interface CsrOptions extends SignOptions {
  /**
   * The name of the key's owner: `CN=agent-7,O=Acme\, Inc.,C=DE` (RFC 4514), or the same as an object whose values
   * aren't escaped: `{ CN: "agent-7", O: "Acme, Inc.", C: "DE" }`. A value that comes from elsewhere belongs in an
   * object: there it can't add an attribute.
   */
  subject: string | Readonly<Record<string, string>>;
  /** Host names, URIs, email and IP addresses. */
  subjectAltNames?: SubjectAltNames | undefined;
  /**
   * What the certificate is for: `clientAuth`, `serverAuth`, `codeSigning`, `emailProtection`, `timeStamping`, or OIDs.
   * Default: `clientAuth`. An empty array: not restricted.
   */
  extendedKeyUsage?: readonly string[] | undefined;
}

/** Options of {@link selfSignedCertificate}. */
export interface CertificateOptions extends CsrOptions {
  /** Start of the validity. Default: now. */
  notBefore?: Date | undefined;
  /** End of the validity. Default: 365 days after its start. */
  notAfter?: Date | undefined;
}

/** A request or a certificate in both encodings. */
export interface Encoded {
  /** In PEM (RFC 7468), with a line break at the end. */
  readonly pem: string;
  /** In DER. */
  readonly der: Uint8Array;
}

const DAYS = 24 * 60 * 60 * 1000;

/**
 * Creates a certificate request for a key. The key signs it once.
 *
 * @example
 * ```ts
 * const { pem } = await createCsr(signer, { subject: { CN: "agent-7" }, subjectAltNames: { dns: ["agent-7.example"] } });
 * ```
 * @returns The request, for a certification authority.
 * @throws {SignerError} With code `misconfigured` if an option is invalid, or a package isn't installed. Otherwise, if
 *   the key can't sign.
 */
export async function createCsr(signer: Signer, options: CsrOptions): Promise<Encoded> {
  const { x509, crypto, parameters } = await prepare(signer, options);
  return encoded(await x509.Pkcs10CertificateRequestGenerator.create(parameters, crypto));
}

/**
 * Creates a certificate that the key itself signs, for servers that register a client's certificate instead of trusting
 * a certification authority: `self_signed_tls_client_auth` (RFC 8705 §2.2), Microsoft Entra.
 *
 * @throws {SignerError} As for {@link createCsr}.
 */
export async function selfSignedCertificate(signer: Signer, options: CertificateOptions): Promise<Encoded> {
  const { notBefore, notAfter } = validity(options);
  const { x509, crypto, parameters } = await prepare(signer, options);
  const extensions = [new x509.BasicConstraintsExtension(false, undefined, true), ...parameters.extensions];
  const certificate = { ...parameters, extensions, notBefore, notAfter };
  return encoded(await x509.X509CertificateGenerator.createSelfSigned(certificate, crypto));
}

/** @peculiar/x509 would encode any other times wrongly (RFC 5280 §4.1.2.5). */
function validity({
  notBefore = new Date(),
  notAfter = new Date(notBefore.getTime() + 365 * DAYS),
}: CertificateOptions) {
  const isValid = notBefore.getUTCFullYear() >= 1950 && notAfter.getUTCFullYear() <= 9999 && notBefore < notAfter;
  if (isValid) return { notBefore, notAfter };
  const problem = "notBefore and notAfter must be dates between 1950 and 9999, and notAfter the later one.";
  throw new SignerError("misconfigured", problem);
}

/** Checks the options before the key is opened, and returns the arguments of @peculiar/x509. */
async function prepare(signer: Signer, options: CsrOptions) {
  const subject = parseSubject(options.subject);
  const names = generalNames(options.subjectAltNames);
  const usages = usageOids(options.extendedKeyUsage ?? ["clientAuth"]);
  const x509 = await loadX509();
  const { crypto, ...key } = await signerCrypto(signer, options.signal);
  const name = new x509.Name(subject);
  return { x509, crypto, parameters: { ...key, name, extensions: extensionsFor(names, usages, x509) } };
}

function extensionsFor(names: GeneralNames, usages: string[], x509: X509) {
  return [
    ...(usages.length > 0 ? [new x509.ExtendedKeyUsageExtension(usages)] : []),
    ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
  ];
}

function encoded(data: { readonly rawData: ArrayBuffer; toString(format: "pem"): string }): Encoded {
  return { pem: `${data.toString("pem")}\n`, der: new Uint8Array(data.rawData) };
}
