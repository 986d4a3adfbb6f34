/** MCP clients of both versions of the SDK, with one interface for the tests. */
import {
  Client,
  StreamableHTTPClientTransport,
  type StreamableHTTPClientTransportOptions,
} from "@modelcontextprotocol/client";
import type { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import type { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { LoggingMessageNotificationSchema } from "@modelcontextprotocol/sdk/types.js";

/** A connected client. */
export interface Agent {
  /** Calls a tool without arguments, and returns its text. */
  call(tool: string): Promise<string>;
  /** What the server announced. */
  readonly notifications: readonly unknown[];
  /** Ends the session at the server, and disconnects. */
  close(): Promise<void>;
}

/** Returns a connected client of version 1. */
export function agentV1(client: ClientV1): Agent {
  const notifications: unknown[] = [];
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void notifications.push(params.data));
  return {
    notifications,
    call: async (name) => textOf(await client.callTool({ name })),
    async close() {
      await (client.transport as TransportV1).terminateSession();
      await client.close();
    },
  };
}

/** Connects a client of version 2. */
export async function connectV2(url: string, options: StreamableHTTPClientTransportOptions): Promise<Agent> {
  const client = new Client({ name: "test", version: "1.0.0" });
  const transport = new StreamableHTTPClientTransport(new URL(url), options);
  const notifications: unknown[] = [];
  client.setNotificationHandler("notifications/message", ({ params }) => void notifications.push(params.data));
  await client.connect(transport);
  return {
    notifications,
    call: async (name) => textOf(await client.callTool({ name })),
    async close() {
      await transport.terminateSession();
      await client.close();
    },
  };
}

function textOf(result: object): string {
  const { content = [] } = result as { content?: { text: string }[] };
  return content[0]?.text ?? "";
}
