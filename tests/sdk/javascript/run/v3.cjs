// The same in CommonJS.
const { DynamoDBClient, ListTablesCommand } = require("@aws-sdk/client-dynamodb");
const { CreateQueueCommand, SendMessageCommand, SQSClient } = require("@aws-sdk/client-sqs");
const { GetCallerIdentityCommand, STSClient } = require("@aws-sdk/client-sts");

async function main() {
  await new STSClient().send(new GetCallerIdentityCommand());
  await new DynamoDBClient().send(new ListTablesCommand());
  const sqs = new SQSClient();
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "q" }));
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "hello" }));
  console.log("done");
}

main();
