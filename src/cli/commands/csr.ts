/** `hardproof csr`: creates a certificate request for a key (PKCS #10, RFC 2986). */
import { writeFile } from "node:fs/promises";
import type { Command } from "commander";
import type { Signer } from "../../index.js";
import { type Context, collect, newCommand } from "../context.js";
import { isHardproofError, UsageError } from "../exit-codes.js";
import { fileError } from "../file-error.js";
import { keyUri } from "../key-uri.js";
import { openKey, type PublicKeyOption, withPublicKeyOption } from "../open-key.js";

interface CsrCommandOptions extends PublicKeyOption {
  subject: string;
  dns?: string[];
  uri?: string[];
  email?: string[];
  ip?: string[];
  usage?: string[];
  out?: string;
}

/** Returns the command `csr`. */
export function csr(context: Context): Command {
  const { io, output } = context;
  const command = newCommand("csr", "create a certificate request for a key, in PEM")
    .argument("[uri]", "URI of the key (or HARDPROOF_KEY)")
    .requiredOption("--subject <name>", "name of the key's owner (RFC 4514): CN=agent-7,O=Example")
    .option("--dns <name>", "host name (repeatable)", collect)
    .option("--uri <uri>", "URI, such as a SPIFFE ID (repeatable)", collect)
    .option("--email <address>", "email address (repeatable)", collect)
    .option("--ip <address>", "IP address (repeatable)", collect)
    .option("--usage <usage>", "extended key usage: a name or an OID (repeatable; default: clientAuth)", collect)
    .option("--out <file>", "write the request to this new file");
  return withPublicKeyOption(command).action(async (argument: string | undefined, options: CsrCommandOptions) => {
    await using signer = await openKey(keyUri(argument, io), options, context);
    const pem = await request(signer, options, io.signal);
    const { jkt } = await signer.describe({ signal: io.signal });
    if (options.out !== undefined) await writeNewFile(options.out, pem);
    output.document({ csr: pem, jkt });
    if (options.out === undefined) for (const line of pem.trimEnd().split("\n")) output.line(line);
    output.note(`thumbprint ${jkt}`);
  });
}

async function request(signer: Signer, options: CsrCommandOptions, signal: AbortSignal): Promise<string> {
  const { subject, usage: extendedKeyUsage, dns, uri, email, ip } = options;
  const { createCsr } = await import("hardproof/x509");
  try {
    const subjectAltNames = { dns, uri, email, ip };
    return (await createCsr(signer, { subject, subjectAltNames, extendedKeyUsage, signal })).pem;
  } catch (error) {
    throw inOptions(error);
  }
}

/** The options of `createCsr` → those of the command. */
const OPTIONS: readonly [RegExp, string][] = [
  [/^subject: /, "--subject: "],
  [/^subjectAltNames\.(dns|uri|email|ip): /, "--$1: "],
  [/^extendedKeyUsage: /, "--usage: "],
];

/** Returns a usage error if the error is about an option, otherwise the error itself. */
function inOptions(error: unknown): unknown {
  if (!isHardproofError(error) || error.code !== "misconfigured") return error;
  const [pattern, option] = OPTIONS.find(([each]) => each.test(error.message)) ?? [];
  return pattern && option ? new UsageError(error.message.replace(pattern, option), error) : error;
}

/** A file is never overwritten: it may be another key's request, or its certificate. */
async function writeNewFile(path: string, text: string): Promise<void> {
  await writeFile(path, text, { flag: "wx" }).catch((cause) => {
    throw fileError("--out", "written", cause);
  });
}
