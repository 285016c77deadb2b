import { useGet } from '../api/hooks';
import type { DeviceClass } from '../api/types';
import { useTexts } from '../i18n';

export function useDeviceClasses(): DeviceClass[] {
  return useGet<DeviceClass[]>('/device-classes', {}, { staleTime: Infinity }).data ?? [];
}

/** The name of a device class in the reader's language. */
export function useClassName(): (code: string, fallback?: string) => string {
  const { lang } = useTexts();
  const classes = useDeviceClasses();
  return (code, fallback = code) => {
    const known = classes.find((each) => each.code === code);
    return (lang === 'zh' ? known?.name : known?.name_en) ?? fallback;
  };
}

/** The name of a metric in the reader's language; where its class is not known, of any class that has it. */
export function useMetricName(): (metric: string | null, classCode?: string | null) => string {
  const { lang } = useTexts();
  const classes = useDeviceClasses();
  return (metric, classCode) => {
    if (!metric) return '';
    const found = (classCode ? classes.filter(({ code }) => code === classCode) : classes)
      .flatMap(({ metrics }) => metrics)
      .find(({ code }) => code === metric);
    return (lang === 'zh' ? found?.name : found?.name_en) ?? metric;
  };
}
