/** `hardproof proof`: one DPoP proof, for one request (RFC 9449 §4.2). */
import type { Command } from "commander";
import { DPoPProver, openSigner } from "../../index.js";
import { type Context, newCommand } from "../context.js";
import { UsageError } from "../exit-codes.js";
import { keyUri } from "../key-uri.js";
import { readToken, type TokenOptions, withTokenOptions } from "../token-options.js";

interface ProofCommandOptions extends TokenOptions {
  nonce?: string;
}

export function proof({ world, output }: Context): Command {
  const command = newCommand("proof", "make one DPoP proof, for one request")
    .argument("<uri-method-url...>", "the key (left out where HARDPROOF_KEY is set), the method, the URL")
    .option("--nonce <nonce>", "the server's last DPoP-Nonce");
  return withTokenOptions(command).action(async (args: string[], options: ProofCommandOptions) => {
    const { uri, htm, htu } = requestOf(args);
    const accessToken = await readToken(options, world);
    await using signer = await openSigner(keyUri(uri, world));
    const prover = await DPoPProver.create(signer, { signal: world.signal });
    const made = await prover.makeProof({ htm, htu, accessToken, nonce: options.nonce, signal: world.signal });
    output.document({ proof: made, jkt: prover.jkt });
    output.line(made);
  });
}

function requestOf(args: readonly string[]): { uri?: string | undefined; htm: string; htu: string } {
  const [htu, htm, uri, ...more] = args.toReversed();
  if (htm === undefined || htu === undefined) throw new UsageError("A proof is for a method and a URL: GET https://…");
  if (more.length > 0) throw new UsageError("Give the key's URI, the method and the URL, and nothing more.");
  return { uri, htm, htu };
}
