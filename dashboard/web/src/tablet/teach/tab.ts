// Which part of the lecturer's side is open.

import { signal } from "@preact/signals";

export type Tab = "pages" | "ask" | "results" | "people";
export const tab = signal<Tab>("pages");
