import { textsOf, type Catalogue } from "../i18n/part";
import en from "./texts/en.json";

export type Key = keyof typeof en;
export const t = textsOf<Key>(en, import.meta.glob<Catalogue>("./texts/*.json", { import: "default" }));
