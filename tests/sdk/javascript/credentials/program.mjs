// Two calls with credentials of the default chain, and what was seen of the last that was made.

import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";

const since = performance.now();
const client = new DynamoDBClient({});
let saw = "ok";
try {
  for (let times = 0; times < 2; times++) {
    await client.send(new GetItemCommand({ TableName: "orders", Key: { id: { S: "1" } } }));
  }
} catch (error) {
  saw = error.name;
}
console.log(JSON.stringify([saw, (performance.now() - since) / 1000]));
// A refresh that the last call began may end; timers of later ones would hold the program.
await new Promise((done) => setTimeout(done, 1000));
process.exit(0);
