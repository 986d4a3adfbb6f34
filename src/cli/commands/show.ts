/** `hardproof show`: prints a public key, how the store protects the private key, and the evidence for that. */
import { createPublicKey } from "node:crypto";
import type { Command } from "commander";
import type { KeyDescription, PublicJwk, Signer } from "../../index.js";
import { type Context, newCommand, oneOf } from "../context.js";
import { keyUris } from "../key-uri.js";
import { type KeyOption, type OpenKeyOptions, openReplicas, withKeyOption, withPublicKeyOption } from "../open-key.js";
import type { Output } from "../output.js";
import { withTimeoutOption } from "../timeout-option.js";

const PARTS = ["jkt", "jwk", "jwks", "pem"] as const;

/** A public key with all that a server needs to find and use it (RFC 7517 §4). */
type RegisteredJwk = PublicJwk & { readonly kid: string; readonly use: "sig" };

interface ShowOptions extends KeyOption, OpenKeyOptions {
  only?: (typeof PARTS)[number];
}

/** Returns the command `show`. */
export function show(context: Context): Command {
  const { io, output } = context;
  const command = newCommand("show", "show a public key, and how the store protects the private key")
    .argument("[uri]", "URI of the key (or HARDPROOF_KEY)")
    .option("--only <part>", `print only this part: ${PARTS.join(", ")}`, oneOf("--only", PARTS));
  return withTimeoutOption(withPublicKeyOption(withKeyOption(command)), "store").action(
    async (argument: string | undefined, options: ShowOptions) => {
      await using key = await openReplicas(keyUris(argument, options.key, io), options, context);
      const { signer } = key;
      const description = await signer.describe({ signal: io.signal });
      const jwk = registeredJwk(await signer.publicJwk({ signal: io.signal }), description.jkt);
      const pem = publicKeyPem(jwk);
      const replicas = key.replicas.length > 1 ? await describeAll(key.replicas, io.signal) : undefined;
      output.document({ ...description, jwk, pem, replicas });
      const parts = { jkt: description.jkt, jwk: JSON.stringify(jwk), jwks: JSON.stringify({ keys: [jwk] }), pem };
      if (options.only !== undefined) return printLines(output, parts[options.only]);
      for (const { uri, protection, exportable } of replicas ?? [])
        output.row("replica", `${uri}: ${protection}, exportable: ${exportable}`);
      if (replicas)
        output.line(`The ${replicas.length} replicas have the same key. The least protected one is:`, "bold");
      printAll(output, description, jwk, pem);
    },
  );
}

function describeAll(replicas: readonly Signer[], signal: AbortSignal): Promise<KeyDescription[]> {
  return Promise.all(replicas.map((replica) => replica.describe({ signal })));
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
  for (const [name, value] of Object.entries(evidence))
    if (value !== undefined) output.line(`  ${name.padEnd(24)} ${JSON.stringify(value)}`);
}

function printLines(output: Output, text: string): void {
  for (const line of text.trimEnd().split("\n")) output.line(line);
}
