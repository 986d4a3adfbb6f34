/** Whether an ARN in an AWS KMS response can belong to the requested key. */
import { expect, it } from "vitest";
import { isArnOf, parseKeyName } from "../../../providers/aws-kms/key-name.js";

const MRK = "arn:aws:kms:eu-central-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";

it.each([
  ["accepts", "the same ARN", MRK, true],
  ["rejects", "the ARN of a replica in another region", MRK.replace("eu-central-1", "us-east-1"), false],
  ["rejects", "the ARN of the same key id in another account", MRK.replace("111122223333", "444455556666"), false],
])("%s a response with %s for a key named by its ARN", (_verb, _arn, responseArn, expected) => {
  expect(isArnOf(parseKeyName(MRK), responseArn)).toBe(expected);
});
