/** `hardproof show`: prints a public key, how the store protects the private key, and the evidence for that. */
import { createPublicKey } from "node:crypto";
import type { Command } from "commander";
import type { KeyDescription, PublicJwk } from "../../index.js";
import { type Context, newCommand, oneOf } from "../context.js";
import { keyUri } from "../key-uri.js";
import { openKey, type PublicKeyOption, withPublicKeyOption } from "../open-key.js";
import type { Output } from "../output.js";

const PARTS = ["jkt", "jwk", "jwks", "pem"] as const;

/** A public key with all that a server needs to find and use it (RFC 7517 §4). */
type RegisteredJwk = PublicJwk & { readonly kid: string; readonly use: "sig" };

interface ShowOptions extends PublicKeyOption {
  only?: (typeof PARTS)[number];
}

/** Returns the command `show`. */
export function show({ io, output }: Context): Command {
  const command = newCommand("show", "show a public key, and how the store protects the private key")
    .argument("[uri]", "URI of the key (or HARDPROOF_KEY)")
    .option("--only <part>", `print only this part: ${PARTS.join(", ")}`, oneOf("--only", PARTS));
  return withPublicKeyOption(command).action(async (argument: string | undefined, options: ShowOptions) => {
    await using signer = await openKey(keyUri(argument, io), options);
    const description = await signer.describe({ signal: io.signal });
    const jwk = registeredJwk(await signer.publicJwk({ signal: io.signal }), description.jkt);
    const pem = publicKeyPem(jwk);
    output.document({ ...description, jwk, pem });
    const parts = { jkt: description.jkt, jwk: JSON.stringify(jwk), jwks: JSON.stringify({ keys: [jwk] }), pem };
    if (options.only === undefined) printAll(output, description, jwk, pem);
    else printLines(output, parts[options.only]);
  });
}

/**
 * Returns the public key as the registration of a client takes it (RFC 7591 §2). Client assertions have the same `kid`.
 */
function registeredJwk(jwk: PublicJwk, kid: string): RegisteredJwk {
  return { ...jwk, kid, use: "sig" };
}

function publicKeyPem(jwk: PublicJwk): string {
  return createPublicKey({ key: { ...jwk }, format: "jwk" })
    .export({ type: "spki", format: "pem" })
    .toString();
}

function printAll(
  output: Output,
  { uri, alg, jkt, protection, exportable, evidence }: KeyDescription,
  jwk: RegisteredJwk,
  pem: string,
): void {
  output.row("key", uri);
  output.row("algorithm", alg);
  output.row("jkt", jkt);
  output.row("protection", protection);
  output.row(
    "exportable",
    { true: "YES", false: "no, as reported by the store", unknown: "unknown: the store doesn't report it" }[
      `${exportable}`
    ],
  );
  output.row("public JWK", jwk);
  printLines(output, pem);
  output.line();
  output.line("Evidence, as reported by the store", "bold");
  for (const [name, value] of Object.entries(evidence)) output.line(`  ${name.padEnd(24)} ${JSON.stringify(value)}`);
}

function printLines(output: Output, text: string): void {
  for (const line of text.trimEnd().split("\n")) output.line(line);
}
