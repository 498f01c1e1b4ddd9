import * as z from "zod";

/** What may be taken of a link, as `config.yaml` says it of an upstream and the API of a mirror. Windows: `lib/daily_windows.ts`. */
export const LINK_LIMITS = {
  bytes_per_second: z.int().min(1).optional().meta({ description: "B/s." }),
  concurrency: z.int().min(1).max(64).optional().meta({ description: "Layers fetched at once." }),
  windows: z.array(z.string()).optional()
    .meta({
      description: "HH:MM-HH:MM and a time zone, such as 02:00-05:00 Europe/Berlin.",
    }),
  daily_bytes: z.int().min(1).optional().meta({ description: "Bytes of layers in a day (UTC)." }),
  monthly_bytes: z.int().min(1).optional().meta({ description: "Bytes of layers in a month (UTC)." }),
};

export type SpelledLimits = z.infer<z.ZodObject<typeof LINK_LIMITS>>;
