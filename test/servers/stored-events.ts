/** The events of an MCP server's streams: a client whose stream was cut gets those that it missed. */
import type { EventStore } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";

/** Keeps every event. An event's id is its number, beginning with 1. */
export class StoredEvents implements EventStore {
  readonly #events: { streamId: string; message: JSONRPCMessage }[] = [];

  async storeEvent(streamId: string, message: JSONRPCMessage): Promise<string> {
    return String(this.#events.push({ streamId, message }));
  }

  async replayEventsAfter(
    lastEventId: string,
    { send }: { send: (eventId: string, message: JSONRPCMessage) => Promise<void> },
  ): Promise<string> {
    const last = Number(lastEventId);
    const streamId = this.#events[last - 1]?.streamId ?? "";
    for (const [index, event] of this.#events.entries())
      if (index >= last && event.streamId === streamId) await send(String(index + 1), event.message);
    return streamId;
  }
}
