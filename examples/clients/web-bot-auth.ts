/**
 * Web Bot Auth: requests of a bot or an agent that Cloudflare and others recognise by its key, by the package web-bot-auth
 * and any signer. Use an Ed25519 key: most verifiers know no other algorithm.
 *
 * ```ts
 * const request = new Request(url, { headers: { "signature-agent": '"https://bot.example.com"' } });
 * const headers = await signatureHeaders(request, await botSigner(signer), { created, expires });
 * ```
 */
import type { PublicJwk, Signer } from "hardproof";
import { type Signer as BotSigner, directoryResponseHeaders, MediaType } from "web-bot-auth";
import { messageSignatureAlgorithm } from "./http-signatures.js";

/** Returns a signer for web-bot-auth. Its `keyid` is the JWK thumbprint, by which a verifier finds the key. */
export async function botSigner(signer: Signer): Promise<BotSigner> {
  const alg = await messageSignatureAlgorithm(signer);
  const { jkt } = await signer.describe();
  return { keyid: jkt, alg, sign: (data) => signer.sign(Buffer.from(data)) };
}

/** Seconds for which a verifier may use a directory. */
const DIRECTORY_LIFETIME = 3600;

/**
 * Returns the response to `GET /.well-known/http-message-signatures-directory`: the bot's public keys, signed by each of
 * them so that nobody else can offer them as theirs.
 */
export async function botDirectory(request: Request, signers: readonly Signer[]): Promise<Response> {
  const keys: readonly PublicJwk[] = await Promise.all(signers.map((signer) => signer.publicJwk()));
  const response = Response.json({ keys }, { headers: directoryHeaders });
  const created = new Date();
  const expires = new Date(created.getTime() + DIRECTORY_LIFETIME * 1000);
  const botSigners = await Promise.all(signers.map(botSigner));
  const signature = await directoryResponseHeaders({ response, request }, botSigners, { created, expires });
  for (const [name, value] of Object.entries(signature)) response.headers.set(name, value);
  return response;
}

const directoryHeaders = {
  "content-type": MediaType.HTTP_MESSAGE_SIGNATURES_DIRECTORY,
  "cache-control": `max-age=${DIRECTORY_LIFETIME}`,
};
