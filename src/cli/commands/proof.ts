/** `hardproof proof`: creates a DPoP proof for one request (RFC 9449 §4.2). */
import type { Command } from "commander";
import { DPoPProver } from "../../index.js";
import { type Context, newCommand } from "../context.js";
import { UsageError } from "../exit-codes.js";
import { keyUris } from "../key-uri.js";
import { type KeyOption, openReplicas, type PublicKeyOption, withKeyOption, withPublicKeyOption } from "../open-key.js";
import { type ProofOptions, withProofOptions } from "../proof-options.js";
import { readToken, type TokenOptions, withTokenOptions } from "../token-options.js";

interface ProofCommandOptions extends TokenOptions, KeyOption, PublicKeyOption, ProofOptions {
  nonce?: string;
}

/** Returns the command `proof`. */
export function proof(context: Context): Command {
  const { io, output } = context;
  const command = newCommand("proof", "create a DPoP proof for one request")
    .argument("<uri-method-url...>", "URI of the key (optional with --key or HARDPROOF_KEY), method, URL")
    .option("--nonce <nonce>", "the server's last DPoP-Nonce");
  return withProofOptions(withPublicKeyOption(withKeyOption(withTokenOptions(command)))).action(
    async (args: string[], options: ProofCommandOptions) => {
      const { uri, htm, htu } = parseArguments(args);
      const accessToken = await readToken(options, io);
      await using key = await openReplicas(keyUris(uri, options.key, io), options, context);
      const prover = await DPoPProver.create(key.signer, { clockOffset: options.clockOffset, signal: io.signal });
      const request = { htm, ...signedUrl(htu, options), accessToken, nonce: options.nonce };
      const jws = await prover.makeProof({ ...request, signal: io.signal });
      output.document({ proof: jws, jkt: prover.jkt });
      output.line(jws);
    },
  );
}

/** A mapping that doesn't apply is a mistake, because there is only one URL. */
function signedUrl(url: string, { htu }: ProofOptions): { htu: string; exactHtu?: boolean } {
  if (htu === undefined || !URL.canParse(url)) return { htu: url };
  const mapped = htu(new URL(url));
  if (typeof mapped === "string") return { htu: mapped, exactHtu: true };
  throw new UsageError("--htu doesn't apply: the URL must begin with one of its values before the =.");
}

function parseArguments(args: readonly string[]): { uri?: string | undefined; htm: string; htu: string } {
  const [htu, htm, uri, ...rest] = args.toReversed();
  if (htm === undefined || htu === undefined)
    throw new UsageError("Expected a method and a URL: hardproof proof [uri] GET https://…");
  if (rest.length > 0) throw new UsageError("Too many arguments. Expected: hardproof proof [uri] GET https://…");
  return { uri, htm, htu };
}
