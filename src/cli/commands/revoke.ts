/** `hardproof revoke`: revokes a token (RFC 7009). */
import type { Command } from "commander";
import { type Context, newCommand } from "../context.js";
import { type StatusOptions, sendStatusRequest, withStatusOptions } from "../status-options.js";

/** Returns the command `revoke`. */
export function revoke(context: Context): Command {
  const { output } = context;
  const command = newCommand("revoke", "revoke an access token or a refresh token (RFC 7009)");
  const key = "URI of the key that signs for private_key_jwt (or HARDPROOF_KEY)";
  return withStatusOptions(command, key).action(async (options: StatusOptions) => {
    await sendStatusRequest(options, context, ({ client, request }) => client.revoke(request));
    output.document({ revoked: true });
    output.note("The token is revoked, or was unknown to the server.");
  });
}
