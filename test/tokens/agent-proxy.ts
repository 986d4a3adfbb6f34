/** A proxy in front of an SSH agent: counts requests, and injects faults into responses. */
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeTempDirectory, removeTempDirectory } from "../../softhsm/directory.js";

/** The requests of a signer. */
export type AgentRequest = "list" | "sign";

/**
 * What the proxy does with a request: nothing (`hang`), closes the connection (`close`), reports a failure (`fail`), waits for
 * a second and then passes it on (`slow`), sends these bytes, or changes the agent's response, which includes its length.
 */
export type AgentFault =
  | "hang"
  | "close"
  | "fail"
  | "slow"
  | Uint8Array
  | ((response: Buffer) => Uint8Array | Promise<Uint8Array>);

/** A running proxy. */
export interface AgentProxy extends AsyncDisposable {
  /** The path of its socket. */
  readonly socket: string;
  /** The requests that arrived, in their order. */
  readonly requests: { readonly kind: AgentRequest; readonly message: Buffer }[];
  count(kind: AgentRequest): number;
  /** Sets the fault for all requests of a kind, or clears it. */
  always(kind: AgentRequest, fault?: AgentFault): void;
  /** Sets the fault for the next request of a kind. */
  next(kind: AgentRequest, fault: AgentFault): void;
  /** Ends all faults, and forgets the requests. */
  clear(): void;
  /** The most requests that waited for their response at the same time. */
  readonly mostInFlight: number;
}

const SIGN_REQUEST = 13;
const FAILURE = Buffer.of(0, 0, 0, 1, 5);
/** Milliseconds. */
const SLOW = 1_000;

/** Starts a proxy for the agent that listens at `target`. Without a target, every request needs a fault. */
export async function agentProxy(target = "/nonexistent"): Promise<AgentProxy> {
  const directory = makeTempDirectory("hardproof-agent-proxy-");
  const socket = join(directory, "proxy.sock");
  const requests: AgentProxy["requests"] = [];
  const always = new Map<AgentRequest, AgentFault>();
  const once = new Map<AgentRequest, AgentFault>();
  const connections = new Set<Socket>();
  let [inFlight, mostInFlight] = [0, 0];

  const serve = async (client: Socket) => {
    const message = await readMessage(client);
    const kind = message[4] === SIGN_REQUEST ? "sign" : "list";
    requests.push({ kind, message });
    const fault = once.get(kind) ?? always.get(kind);
    once.delete(kind);
    if (fault === "hang") return;
    if (fault === "close") return void client.destroy();
    if (fault === "fail") return void client.end(FAILURE);
    if (fault instanceof Uint8Array) return void client.end(fault);
    inFlight += 1;
    mostInFlight = Math.max(mostInFlight, inFlight);
    if (fault === "slow") await sleep(SLOW);
    const response = await forward(target, message).finally(() => {
      inFlight -= 1;
    });
    client.end(typeof fault === "function" ? await fault(response) : response);
  };
  const server = createServer((client) => {
    connections.add(client);
    client.on("error", () => undefined);
    client.on("close", () => connections.delete(client));
    serve(client).catch(() => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    socket,
    requests,
    count: (kind) => requests.filter((request) => request.kind === kind).length,
    always: (kind, fault) => void (fault === undefined ? always.delete(kind) : always.set(kind, fault)),
    next: (kind, fault) => void once.set(kind, fault),
    clear: () => {
      always.clear();
      once.clear();
      requests.length = 0;
      mostInFlight = 0;
    },
    get mostInFlight() {
      return mostInFlight;
    },
    [Symbol.asyncDispose]: async () => {
      for (const connection of connections) connection.destroy();
      await new Promise((resolve) => server.close(resolve));
      removeTempDirectory(directory);
    },
  };
}

/** Returns the bytes of one message, with its length. */
async function readMessage(connection: Socket): Promise<Buffer> {
  let bytes = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    connection.on("data", (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE()) resolve(bytes);
    });
    connection.on("error", reject);
    connection.on("close", () => reject(new Error("The connection was closed.")));
  });
}

async function forward(target: string, message: Buffer): Promise<Buffer> {
  const agent = connect(target);
  try {
    agent.write(message);
    return await readMessage(agent);
  } finally {
    agent.destroy();
  }
}
