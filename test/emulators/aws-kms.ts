/** AWS KMS on loopback: its JSON 1.1 protocol over HTTP (`X-Amz-Target`), with faults told call by call. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { KmsFailure } from "./aws-kms-failure.js";
import { type KmsKey, KmsKeys } from "./aws-kms-keys.js";
import { type KmsOperation, operations } from "./aws-kms-operations.js";
import { type Caller, checkSigV4 } from "./aws-sigv4.js";
import { type Fault, FaultPlan } from "./fault-plan.js";

export type { KmsKey, KmsOperation };

export interface AwsKms {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { accessKeyId: string; secretAccessKey: string; sessionToken: string };
  /** With which any AWS SDK finds it. */
  readonly environment: Readonly<Record<string, string>>;
  readonly keys: KmsKeys;
  readonly plan: FaultPlan<KmsOperation>;
  /** Holds back the answers to Sign until this many requests wait at once: a client that sends fewer never gets one. */
  gather(count: number): void;
  /** Requests that the client gave up before they were answered. */
  readonly givenUp: number;
  /** How many connections are open. */
  connections(): Promise<number>;
  close(): Promise<void>;
}

const CREDENTIALS = {
  accessKeyId: "AKIAIOSFODNN7EXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY",
  sessionToken: "EXAMPLE-session-token-EXAMPLE",
};
/** With this session token a caller is told that it has expired. */
export const EXPIRED_TOKEN = "EXAMPLE-expired-token";

export async function awsKms(region = "eu-central-1"): Promise<AwsKms> {
  const keys = new KmsKeys(region);
  const plan = new FaultPlan<KmsOperation>();
  let gathering = { count: 1, waiting: [] as (() => void)[] };
  let givenUp = 0;

  const gathered = () =>
    new Promise<void>((resolve) => {
      gathering.waiting.push(resolve);
      if (gathering.waiting.length < gathering.count) return;
      for (const release of gathering.waiting.splice(0)) release();
    });

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await text(request);
    response.on("close", () => response.writableEnded || givenUp++);
    try {
      const caller = checkSigV4(request.headers, region);
      const operation = operationOf(request);
      const input = JSON.parse(body);
      const fault = plan.take(operation, input);
      await sleep(plan.latency);
      if (operation === "Sign") await gathered();
      if (fault === "hang") return;
      if (fault === "reset") {
        request.socket.resetAndDestroy();
        return;
      }
      checkCaller(caller);
      fail(fault, operation);
      send(response, 200, operations[operation](keys, input, fault));
    } catch (error) {
      if (!(error instanceof KmsFailure)) throw error;
      send(response, error.status, { __type: error.type, message: error.message });
    }
  };

  const server = createServer((request, response) => void answer(request, response));
  // A client that uses a connection just as it is closed for being idle would see a reset that nobody told.
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    endpoint,
    region,
    credentials: CREDENTIALS,
    environment: {
      AWS_ENDPOINT_URL_KMS: endpoint,
      AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
      AWS_SESSION_TOKEN: CREDENTIALS.sessionToken,
    },
    keys,
    plan,
    gather: (count) => {
      gathering = { count, waiting: [] };
    },
    get givenUp() {
      return givenUp;
    },
    connections: promisify(server.getConnections.bind(server)),
    close: () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      return closed;
    },
  };
}

function operationOf({ method, url, headers }: IncomingMessage): KmsOperation {
  const [, name = ""] = /^TrentService\.(\w+)$/.exec(String(headers["x-amz-target"])) ?? [];
  const isJson = headers["content-type"] === "application/x-amz-json-1.1";
  if (method !== "POST" || url !== "/" || !isJson || !isOperation(name))
    throw new KmsFailure("UnknownOperationException", `${method} ${url} ${headers["x-amz-target"]}`);
  return name;
}

const isOperation = (name: string): name is KmsOperation => Object.hasOwn(operations, name);

function checkCaller({ accessKeyId, sessionToken }: Caller): void {
  if (sessionToken === EXPIRED_TOKEN)
    throw new KmsFailure("ExpiredTokenException", "The security token included in the request is expired");
  if (accessKeyId !== CREDENTIALS.accessKeyId)
    throw new KmsFailure("UnrecognizedClientException", "The security token included in the request is invalid.");
}

function fail(fault: Fault | undefined, operation: KmsOperation): void {
  if (fault === "throttle")
    throw new KmsFailure(
      "ThrottlingException",
      "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
    );
  if (fault === "5xx") throw new KmsFailure("KMSInternalException", "An internal error occurred.");
  if (fault === "denied")
    throw new KmsFailure(
      "AccessDeniedException",
      `User: arn:aws:iam::111122223333:user/app is not authorized to perform: kms:${operation}`,
    );
  if (fault?.endsWith("-crc")) throw new Error(`AWS KMS has no CRC: ${fault}`);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/x-amz-json-1.1" }).end(JSON.stringify(body));
}
