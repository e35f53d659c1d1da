// The codes that are out, as they are shown, scanned and printed.

import { clock } from "../i18n";
import { me } from "../room/store";
import { Button } from "../ui/button";
import { Qr } from "../ui/qr";
import { cancel, codes, type Code } from "./room";
import { t, type Key } from "./texts";

export function Codes() {
  const open = codes.value;
  if (open.length === 0) return null;
  const close = async () => {
    for (const one of open) await cancel(one.code);
  };
  return (
    <section class="card codes">
      <header class="codes-head">
        <h2>{t("codes.title")}</h2>
        <Button local act={() => print()}>
          {t("codes.print")}
        </Button>
        {open.length > 1 && <Button act={close}>{t("codes.cancel.all")}</Button>}
      </header>
      <p class="print-only">
        <b>
          <bdi>{me.value?.room_name}</bdi>
        </b>{" "}
        · {t("codes.how")}
      </p>
      <ul class="codes-list">
        {open.map((one) => (
          <Card key={one.code} code={one} />
        ))}
      </ul>
    </section>
  );
}

function Card({ code }: { code: Code }) {
  const [first] = code.names;
  const single = code.names.length === 1;
  const zone = me.value?.timezone ?? "UTC";
  return (
    <li class="code">
      <Qr svg={code.qr} address={code.url} />
      <div class="code-words">
        <h3>
          <bdi>{single ? first : t("codes.set", { n: code.names.length })}</bdi>
        </h3>
        <p class="code-text" dir="ltr">
          {code.code}
        </p>
        <p class="code-url" dir="ltr">
          {code.url.split("#")[0]}
        </p>
        <p>
          {t(`role.${code.role}` as Key)} ·{" "}
          {t("codes.until", { time: clock(new Date(code.expires), zone) })}
        </p>
        {!single && (
          <details>
            <summary>{t("codes.names")}</summary>
            <bdi>{code.names.join(", ")}</bdi>
          </details>
        )}
        <Button kind="quiet" act={() => cancel(code.code)} label={`${t("codes.cancel")}: ${code.code}`}>
          {t("codes.cancel")}
        </Button>
      </div>
    </li>
  );
}
