// Where a delivery stands, as a word and a mark.

import type { DeliveryView } from "../api/types";
import { t } from "../i18n";

export function deliveryWord(delivery: DeliveryView): {
  text: string;
  mark: "good" | "busy" | "bad";
} {
  const share = delivery.total_bytes > 0 ? delivery.sent_bytes / delivery.total_bytes : 0;
  const text = t(`delivery.${delivery.state}`, { n: Math.floor(share * 100) });
  if (delivery.state === "verified") return { text, mark: "good" };
  return { text, mark: delivery.state === "failed" ? "bad" : "busy" };
}
