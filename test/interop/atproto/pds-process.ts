/**
 * The process of atproto's PDS and its directory of DIDs. Arguments: the directory that contains `node_modules`, and the
 * {@link PdsConfiguration} as JSON. It prints READY when both listen.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import "../listen-on-loopback.js";

/** What the process listens on, and where clients publish their documents. */
export interface PdsConfiguration {
  readonly port: number;
  readonly plcPort: number;
  /** Client IDs at this host are fetched from `documents` instead: atproto allows neither loopback nor `http:` there. */
  readonly clientHost: string;
  /** The origin of the loopback server. */
  readonly documents: string;
}

interface TestServer {
  readonly url: string;
}

interface Creator<T> {
  create(options: object): Promise<T>;
}

const [directory = "", json = "{}"] = process.argv.slice(2);
const { port, plcPort, clientHost, documents }: PdsConfiguration = JSON.parse(json);
fetchClientDocuments();

// The package's entry point would load the servers with databases too.
const load = createRequire(join(directory, "node_modules", "index.js"));
const { TestPlc } = load("@atproto/dev-env/dist/plc.js") as { TestPlc: Creator<TestServer> };
const { TestPds } = load("@atproto/dev-env/dist/pds.js") as { TestPds: Creator<object> };
const { mockNetworkUtilities } = load("@atproto/dev-env/dist/util.js");
const plc = await TestPlc.create({ port: plcPort });
const pds = await TestPds.create({ port, didPlcUrl: plc.url });
mockNetworkUtilities(pds);
console.log("READY");

function fetchClientDocuments(): void {
  const { fetch } = globalThis;
  globalThis.fetch = (input, init) => {
    const { host, pathname } = new URL(input instanceof Request ? input.url : input);
    return host === clientHost ? fetch(documents + pathname) : fetch(input, init);
  };
}
