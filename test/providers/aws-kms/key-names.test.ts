/** Which ARN in an answer of AWS KMS can be that of the key that was asked for. */
import { expect, it } from "vitest";
import { isArnOf, parseKeyName } from "../../../providers/aws-kms/names.js";

const MRK = "arn:aws:kms:eu-central-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";

it.each([
  ["its own ARN", MRK, true],
  ["its replica's in another region (refused)", MRK.replace("eu-central-1", "us-east-1"), false],
  ["the same id's in another account (refused)", MRK.replace("111122223333", "444455556666"), false],
])("a key that is named by its ARN and an answer with %s", (_, found, fits) => {
  expect(isArnOf(parseKeyName(MRK), found)).toBe(fits);
});
