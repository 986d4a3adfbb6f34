/** `hardproof show`: a key's public half, where the key lives, and what proves that. */
import { createPublicKey } from "node:crypto";
import type { Command } from "commander";
import { type KeyDescription, openSigner, type PublicJwk } from "../../index.js";
import { type Context, newCommand, oneOf } from "../context.js";
import { keyUri } from "../key-uri.js";
import type { Output } from "../output.js";

const PARTS = ["jkt", "jwk", "pem"] as const;

export function show({ world, output }: Context): Command {
  return newCommand("show", "show a key's public half, where it lives, and what proves that it can't leave")
    .argument("[uri]", "the key")
    .option("--only <part>", `print ${PARTS.join(", ")} alone`, oneOf("--only", PARTS))
    .action(async (given: string | undefined, { only }: { only?: (typeof PARTS)[number] }) => {
      await using signer = await openSigner(keyUri(given, world));
      const jwk = await signer.publicJwk({ signal: world.signal });
      const description = await signer.describe({ signal: world.signal });
      const pem = createPublicKey({ key: { ...jwk }, format: "jwk" })
        .export({ type: "spki", format: "pem" })
        .toString();
      output.document({ ...description, jwk, pem });
      if (only === undefined) tell(output, description, jwk, pem);
      else
        for (const line of { jkt: description.jkt, jwk: JSON.stringify(jwk), pem }[only].trimEnd().split("\n"))
          output.line(line);
    });
}

function tell(
  output: Output,
  { uri, jkt, protection, exportable, evidence }: KeyDescription,
  jwk: PublicJwk,
  pem: string,
) {
  output.row("key", uri);
  output.row("jkt", jkt);
  output.row("lives in", protection);
  output.row(
    "can leave",
    { true: "YES", false: "no, says the store itself", unknown: "unknown: the store does not say" }[`${exportable}`],
  );
  output.row("public JWK", jwk);
  for (const line of pem.trimEnd().split("\n")) output.line(line);
  output.line();
  output.line("What the store says of it", "bold");
  for (const [name, value] of Object.entries(evidence)) output.line(`  ${name.padEnd(24)} ${JSON.stringify(value)}`);
}
