// The keys, by what they do.

import { Dialog } from "../ui/dialog";
import { t, type Key } from "./texts";

const KEYS: [Key, string[]][] = [
  ["key.play", ["k", "Space"]],
  ["key.5", ["←", "→"]],
  ["key.10", ["j", "l"]],
  ["key.slide", [",", "."]],
  ["key.chapter", ["[", "]"]],
  ["key.place", ["0", "9"]],
  ["key.speed", ["<", ">"]],
  ["key.sound", ["↑", "↓", "m"]],
  ["key.captions", ["c"]],
  ["key.view", ["v"]],
  ["key.full", ["f"]],
  ["key.search", ["/"]],
  ["key.hit", ["Enter"]],
  ["key.bookmark", ["b"]],
  ["key.note", ["n"]],
  ["key.help", ["?"]],
];

export function Help({ close }: { close: () => void }) {
  return (
    <Dialog title={t("help")} close={close} class="keys-dialog">
      <dl class="keys">
        {KEYS.map(([what, keys]) => (
          <div key={what}>
            <dt dir="ltr">
              {keys.map((one) => (
                <kbd key={one}>{one === "Space" ? t("key.space") : one}</kbd>
              ))}
            </dt>
            <dd>{t(what)}</dd>
          </div>
        ))}
      </dl>
      <button type="button" class="button plain" onClick={close}>
        {t("close")}
      </button>
    </Dialog>
  );
}
