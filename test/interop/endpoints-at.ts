/** The metadata of a server that is reached by another URL than it knows. */
import type { ServerMetadata } from "hardproof";

/** Returns the metadata with the endpoints outside of a proxy, and with the server's own issuer. */
export function endpointsAt(outside: string, inside: string, metadata: ServerMetadata): ServerMetadata {
  const { mtls_endpoint_aliases: _, ...others } = metadata;
  const moved = Object.entries(others).map(([name, value]) => [
    name,
    name !== "issuer" && typeof value === "string" ? value.replace(inside, outside) : value,
  ]);
  return Object.fromEntries(moved) as ServerMetadata;
}
