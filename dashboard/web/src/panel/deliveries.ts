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
  if (delivery.state === "sending" && delivery.rate && delivery.eta_s !== null) {
    const rate = (delivery.rate / 1e6).toFixed(1);
    const pace = t("delivery.pace", { rate, n: Math.ceil(delivery.eta_s / 60) });
    return { text: `${text} · ${pace}`, mark: "busy" };
  }
  const resting = delivery.state === "held" || delivery.state === "withdrawn";
  return { text, mark: delivery.state === "failed" ? "bad" : resting ? "good" : "busy" };
}
