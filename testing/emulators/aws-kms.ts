/** AWS KMS emulator on loopback: the JSON 1.1 protocol over HTTP (`X-Amz-Target`), with faults planned call by call. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { AwsKmsError } from "./aws-kms-error.js";
import { type KmsKey, KmsKeys } from "./aws-kms-keys.js";
import { type KmsOperation, operations } from "./aws-kms-operations.js";
import { type Caller, checkSigV4 } from "./aws-sigv4.js";
import { type Fault, FaultPlan } from "./fault-plan.js";

export type { KmsKey, KmsOperation };

/** A running emulator of one account and region. */
export interface AwsKmsEmulator extends AsyncDisposable {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { accessKeyId: string; secretAccessKey: string; sessionToken: string };
  /** Environment variables with which any AWS SDK uses the emulator. */
  readonly environment: Readonly<Record<string, string>>;
  readonly keys: KmsKeys;
  readonly plan: FaultPlan<KmsOperation>;
  /** Delays the responses to Sign until `count` requests are in flight. A client that sends fewer gets no response. */
  holdSignUntil(count: number): void;
  /** Sets how many milliseconds the clock of the service is ahead of this host's. */
  setClock(offset: number): void;
  /** How many requests the client cancelled before the response. */
  readonly cancelledRequests: number;
  openConnections(): Promise<number>;
  close(): Promise<void>;
}

const CREDENTIALS = {
  accessKeyId: "AKIAIOSFODNN7EXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY",
  sessionToken: "EXAMPLE-session-token-EXAMPLE",
};
/** The emulator answers requests with this session token with ExpiredTokenException. */
export const EXPIRED_TOKEN = "EXAMPLE-expired-token";

/** Starts the emulator. */
export async function awsKmsEmulator(region = "eu-central-1"): Promise<AwsKmsEmulator> {
  const keys = new KmsKeys(region);
  const plan = new FaultPlan<KmsOperation>();
  let signBarrier = { count: 1, waiting: [] as (() => void)[] };
  let cancelledRequests = 0;
  let clockOffset = 0;

  const enoughSigns = (response: ServerResponse) =>
    new Promise<void>((resolve) => {
      const barrier = signBarrier;
      barrier.waiting.push(resolve);
      response.once("close", () => {
        barrier.waiting = barrier.waiting.filter((each) => each !== resolve);
      });
      if (signBarrier.waiting.length < signBarrier.count) return;
      for (const release of signBarrier.waiting.splice(0)) release();
    });

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await text(request);
    response.on("close", () => response.writableEnded || cancelledRequests++);
    const now = new Date(Date.now() + clockOffset);
    response.setHeader("date", now.toUTCString());
    try {
      const caller = checkSigV4(request.headers, region, now);
      const operation = operationOf(request);
      const input = JSON.parse(body);
      const fault = plan.take(operation, input);
      await plan.work();
      if (operation === "Sign") await enoughSigns(response);
      if (fault === "hang") return;
      if (fault === "reset") {
        request.socket.resetAndDestroy();
        return;
      }
      authenticate(caller);
      throwIfError(fault, operation);
      send(response, 200, operations[operation](keys, input, fault));
    } catch (error) {
      if (!(error instanceof AwsKmsError)) throw error;
      send(response, error.status, { __type: error.type, message: error.message });
    }
  };

  const server = createServer((request, response) => void handle(request, response));
  // If the server closed an idle connection just as the client reuses it, the client would see an unplanned reset.
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    return closed;
  };
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
    holdSignUntil: (count) => {
      signBarrier = { count, waiting: [] };
    },
    setClock: (offset) => {
      clockOffset = offset;
    },
    get cancelledRequests() {
      return cancelledRequests;
    },
    openConnections: promisify(server.getConnections.bind(server)),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function operationOf({ method, url, headers }: IncomingMessage): KmsOperation {
  const [, name = ""] = /^TrentService\.(\w+)$/.exec(String(headers["x-amz-target"])) ?? [];
  const isJson = headers["content-type"] === "application/x-amz-json-1.1";
  if (method !== "POST" || url !== "/" || !isJson || !isOperation(name))
    throw new AwsKmsError("UnknownOperationException", `${method} ${url} ${headers["x-amz-target"]}`);
  return name;
}

const isOperation = (name: string): name is KmsOperation => Object.hasOwn(operations, name);

function authenticate({ accessKeyId, sessionToken }: Caller): void {
  if (sessionToken === EXPIRED_TOKEN)
    throw new AwsKmsError("ExpiredTokenException", "The security token included in the request is expired");
  if (accessKeyId !== CREDENTIALS.accessKeyId)
    throw new AwsKmsError("UnrecognizedClientException", "The security token included in the request is invalid.");
}

function throwIfError(fault: Fault | undefined, operation: KmsOperation): void {
  if (fault === "throttle")
    throw new AwsKmsError(
      "ThrottlingException",
      "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
    );
  if (fault === "5xx") throw new AwsKmsError("KMSInternalException", "An internal error occurred.");
  if (fault === "denied")
    throw new AwsKmsError(
      "AccessDeniedException",
      `User: arn:aws:iam::111122223333:user/app is not authorized to perform: kms:${operation}`,
    );
  if (fault?.endsWith("-crc")) throw new Error(`AWS KMS responses have no CRC, so the fault ${fault} does not apply.`);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/x-amz-json-1.1" }).end(JSON.stringify(body));
}
