// A program that knows nothing of Squall: an object that may not be read.
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";

try {
  await new S3Client({ region: "us-east-1" }).send(new GetObjectCommand({ Bucket: "denied", Key: "key" }));
} catch (error) {
  console.log(error.name);
}
