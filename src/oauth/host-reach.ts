/** How far a host is from this machine, as far as its name or address tells. Names aren't resolved. */
import type { BlockList } from "node:net";

/** From this machine to the internet. */
const REACHES = ["loopback", "private", "public"] as const;

/** Where a host is: on this machine, in a network that isn't the internet, or possibly anywhere. */
export type HostReach = (typeof REACHES)[number];

/** Network, length of the prefix (RFC 6890 and its registry). */
const LOOPBACK: readonly [network: string, prefix: number][] = [
  ["0.0.0.0", 8],
  ["127.0.0.0", 8],
  ["::", 127], // the unspecified address and ::1
];

const PRIVATE: readonly [network: string, prefix: number][] = [
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3], // multicast, reserved and broadcast
  ["::", 96], // IPv4-compatible
  ["64:ff9b::", 96], // NAT64: may stand for a private IPv4 address
  ["64:ff9b:1::", 48],
  ["2002::", 16], // 6to4, the same
  ["fc00::", 7],
  ["fe80::", 9], // link-local and site-local
  ["ff00::", 8],
];

/**
 * Returns how far a host is away. An IPv4 address in IPv6 notation (`::ffff:127.0.0.1`) is treated as that IPv4 address.
 * A name that isn't `localhost` counts as public, wherever it resolves to.
 *
 * @param host - A URL's `hostname`: an IPv6 address is in brackets.
 */
export function hostReach(host: string): HostReach {
  const name = host.replace(/^\[|\]$|\.$/g, "").toLowerCase();
  if (name === "localhost" || name.endsWith(".localhost")) return "loopback";
  const type = addressType(name);
  if (type === undefined) return "public";
  const { loopback, local } = networks();
  if (loopback.check(name, type)) return "loopback";
  return local.check(name, type) ? "private" : "public";
}

/** Whether a host is closer to this machine than another one. */
export function isCloser(host: HostReach, other: HostReach): boolean {
  return REACHES.indexOf(host) < REACHES.indexOf(other);
}

/** In a URL's `hostname`, an address has its canonical form. */
function addressType(name: string): "ipv4" | "ipv6" | undefined {
  if (name.includes(":")) return "ipv6";
  return /^\d+\.\d+\.\d+\.\d+$/.test(name) ? "ipv4" : undefined;
}

let cached: { readonly loopback: BlockList; readonly local: BlockList } | undefined;

/** Created at the first use: loading `node:net` costs as much as loading a tenth of this package. */
function networks() {
  cached ??= { loopback: blockList(LOOPBACK), local: blockList(PRIVATE) };
  return cached;
}

function blockList(entries: readonly [network: string, prefix: number][]): BlockList {
  const list = new (process.getBuiltinModule("node:net").BlockList)();
  for (const [network, prefix] of entries) list.addSubnet(network, prefix, network.includes(":") ? "ipv6" : "ipv4");
  return list;
}
