/** `hardproof show`: prints a public key, how the store protects the private key, and the evidence for that. */
import { createPublicKey } from "node:crypto";
import type { Command } from "commander";
import { type KeyDescription, openSigner, type PublicJwk } from "../../index.js";
import { type Context, newCommand, oneOf } from "../context.js";
import { keyUri } from "../key-uri.js";
import type { Output } from "../output.js";

const PARTS = ["jkt", "jwk", "pem"] as const;

/** Returns the command `show`. */
export function show({ io, output }: Context): Command {
  return newCommand("show", "show a public key, and how the store protects the private key")
    .argument("[uri]", "URI of the key (or HARDPROOF_KEY)")
    .option("--only <part>", `print only this part: ${PARTS.join(", ")}`, oneOf("--only", PARTS))
    .action(async (argument: string | undefined, { only }: { only?: (typeof PARTS)[number] }) => {
      await using signer = await openSigner(keyUri(argument, io));
      const jwk = await signer.publicJwk({ signal: io.signal });
      const description = await signer.describe({ signal: io.signal });
      const pem = publicKeyPem(jwk);
      output.document({ ...description, jwk, pem });
      if (only === undefined) printAll(output, description, jwk, pem);
      else printLines(output, { jkt: description.jkt, jwk: JSON.stringify(jwk), pem }[only]);
    });
}

function publicKeyPem(jwk: PublicJwk): string {
  return createPublicKey({ key: { ...jwk }, format: "jwk" })
    .export({ type: "spki", format: "pem" })
    .toString();
}

function printAll(
  output: Output,
  { uri, alg, jkt, protection, exportable, evidence }: KeyDescription,
  jwk: PublicJwk,
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
