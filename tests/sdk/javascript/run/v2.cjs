// The same with version 2, which is no longer maintained and still in use.
process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = "1";
const AWS = require("aws-sdk");

AWS.config.update({ region: "us-east-1" });

async function main() {
  await new AWS.STS().getCallerIdentity().promise();
  await new AWS.DynamoDB().listTables().promise();
  const sqs = new AWS.SQS();
  const { QueueUrl } = await sqs.createQueue({ QueueName: "q" }).promise();
  await sqs.sendMessage({ QueueUrl, MessageBody: "hello" }).promise();
  const s3 = new AWS.S3();
  await s3.createBucket({ Bucket: "bucket" }).promise();
  await s3.putObject({ Bucket: "bucket", Key: "k", Body: "hello" }).promise();
  const { Body } = await s3.getObject({ Bucket: "bucket", Key: "k" }).promise();
  if (Body.toString() !== "hello") throw new Error(`another body: ${Body}`);
  console.log("done");
}

main();
