import { removeLocation } from "../domain/storage/location_moves.ts";
import { operatorAction } from "./operator.ts";

export const removeLocationCommand = operatorAction({
  name: "remove-location",
  action: {
    operands: ["NAME"],
    flags: { "dry-run": { type: "boolean" } },
    usage: "[--dry-run]",
    summary: "forgets a storage location, unless it alone has some blob",
    async run({ deps, operands: [name = ""], isSet }) {
      const dryRun = isSet("dry-run");
      const { blobs } = await removeLocation(deps, name, { dryRun });
      return {
        json: { location: name, blobs, removed: !dryRun },
        text: dryRun
          ? `${name} could be removed: each of its ${blobs} blobs is elsewhere too\n`
          : `${name} is forgotten; its ${blobs} blobs are served from elsewhere. Take it out of config.yaml now\n`,
      };
    },
  },
  notes: "Its objects stay in its bucket or folder: empty that yourself.",
});
