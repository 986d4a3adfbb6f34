/** What must be right before a version can be published. */

/** The members of package.json that a release needs. */
export interface Manifest {
  readonly version: string;
  readonly author?: string;
  readonly homepage?: string;
  readonly repository?: { readonly url: string };
  readonly bugs?: string;
}

/** Marks a value of package.json that the owner of the package must set. */
export const PLACEHOLDER = "FILL-IN";
const FIELDS = ["author", "homepage", "repository", "bugs"] as const;

/** Returns one sentence for each reason why the version can't be published. */
export function releaseProblems(manifest: Manifest, changelog: string, uncommitted: string): string[] {
  const unset = FIELDS.filter((field) => JSON.stringify(manifest[field] ?? PLACEHOLDER).includes(PLACEHOLDER));
  const { version } = manifest;
  return [
    ...unset.map((field) => `package.json: "${field}" isn't set. Replace what contains ${PLACEHOLDER}.`),
    ...(changelog.split("\n").includes(`## ${version}`) ? [] : [`CHANGELOG.md has no section "## ${version}".`]),
    ...(uncommitted === "" ? [] : ["The working tree has changes that aren't committed."]),
  ];
}
