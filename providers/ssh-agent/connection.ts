/** One request to an agent, on a connection of its own: a lost or late response can't be taken for another one's. */
import { connect } from "node:net";
import { SignerError } from "../../src/errors.js";
import { toSignerError } from "./errors.js";
import { MessageBuffer } from "./message-buffer.js";
import { string } from "./wire.js";

/**
 * Sends a request, and returns the response.
 *
 * @param path - The path of the agent's socket, or the name of its pipe.
 * @param request - The message without its length. It isn't sent again if the connection is lost: the agent may have asked
 *   its user.
 * @returns The message without its length: its type, and what follows.
 * @throws {SignerError} As `toSignerError` maps the error; with code `integrity` if the response isn't one message.
 */
export async function exchange(path: string, request: Uint8Array, signal: AbortSignal): Promise<Buffer> {
  signal.throwIfAborted();
  const connection = connect({ path, signal });
  try {
    connection.write(string(request));
    const message = new MessageBuffer();
    // Leaving the loop closes the connection.
    for await (const chunk of connection) {
      const response = message.add(chunk);
      if (response) return response;
    }
    throw new SignerError("unavailable", "The agent closed the connection before its response was complete.");
  } catch (error) {
    throw signal.aborted ? signal.reason : await toSignerError(error, path);
  }
}
