import { backfillReplication } from "../domain/storage/location_moves.ts";
import { operatorAction } from "./operator.ts";

export const backfillReplicationCommand = operatorAction({
  name: "backfill-replication",
  action: {
    operands: [],
    summary: "queues copying for every blob that a default location lacks",
    async run({ deps }) {
      const queued = await backfillReplication(deps);
      return { json: { queued }, text: `${queued} blobs queued; running nodes copy them\n` };
    },
  },
});
