// What can be taken along, by what it is for; the small ones for slow links are named as such.

import type { ProductFile } from "../api/types";
import { size } from "../i18n";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { detail, files } from "./store";
import { nameOf, t, type Key } from "./texts";

/** In the order in which people look for them; what is not named here is for programs. */
const ORDER = ["lecture", "small", "audio", "offline", "slides", "transcript", "captions", "framed", "track", "link"];

function wanted(file: ProductFile): boolean {
  return ORDER.includes(file.kind) && !file.name.endsWith(".json");
}

function label(file: ProductFile): string {
  const name = t(`file.${file.kind}` as Key);
  if (file.language) return `${name}: ${nameOf(file.language)}`;
  const role = detail.value?.streams.find((one) => one.name === file.name)?.role;
  if (role === "slides" || role === "presenter") return `${name}: ${t(`view.${role}`)}`;
  if (file.kind === "track" || file.kind === "framed") return `${name}: ${file.name.split(".")[0]}`;
  return name;
}

export function Downloads({ close }: { close: () => void }) {
  const list = (detail.value?.products ?? [])
    .filter(wanted)
    .sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
  return (
    <Dialog title={t("downloads")} close={close}>
      {list.length === 0 && <p class="empty">{t("downloads.none")}</p>}
      <ul class="file-list" role="list">
        {list.map((file) => (
          <li key={file.name}>
            <a class="file" href={`${files}${file.name}?download=true`} download>
              <Icon name="download" />
              <span class="file-words">
                <bdi>{label(file)}</bdi>
                {(file.kind === "small" || file.kind === "offline") && (
                  <small>{t(`file.${file.kind}.more`)}</small>
                )}
              </span>
              <span class="file-size">{size(file.bytes)}</span>
            </a>
          </li>
        ))}
      </ul>
      <button type="button" class="button plain" onClick={close}>
        {t("close")}
      </button>
    </Dialog>
  );
}
