import { CameraOutlined, CloseOutlined } from '@ant-design/icons';
import { App, Button, Drawer, Form, Input } from 'antd';
import { useEffect, useRef, useState } from 'react';
import { api } from '../../api/client';
import type { Incident, Task } from '../../api/types';
import { useTexts } from '../../i18n';
import { smallPhoto } from '../../lib/photos';
import { useSendAction } from '../../ui/actions';
import { PlaceField, type PlaceValue } from '../../ui/PlaceField';

const MOST_PHOTOS = 6;

interface Shot {
  file: File;
  preview: string;
}

interface Fields {
  result: string;
  place?: PlaceValue;
}

/** Says that the work on site is done: what was done, where, and how it looks now. */
export function HandleDrawer({ task, onClose }: { task: Task | null; onClose: () => void }) {
  const { t, errorText } = useTexts();
  const { message } = App.useApp();
  const send = useSendAction();
  const [form] = Form.useForm<Fields>();
  const [shots, setShots] = useState<Shot[]>([]);
  const [busy, setBusy] = useState(false);
  const camera = useRef<HTMLInputElement>(null);

  useEffect(() => setShots([]), [task?.id]);

  const add = (files: FileList | null) => {
    const added = [...(files ?? [])].map((file) => ({ file, preview: URL.createObjectURL(file) }));
    setShots((before) => [...before, ...added].slice(0, MOST_PHOTOS));
    if (camera.current) camera.current.value = '';
  };

  const submit = async ({ result, place }: Fields) => {
    if (!task) return;
    setBusy(true);
    try {
      const photoIds: string[] = [];
      for (const { file } of shots) {
        const body = new FormData();
        body.append('file', await smallPhoto(file), 'photo.jpg');
        photoIds.push((await api.post<{ id: string }>(`/incidents/${task.incident_id}/photos`, body)).id);
      }
      const incident = await api.get<Incident>(`/incidents/${task.incident_id}`);
      await send(incident, 'handle', {
        result,
        photo_ids: photoIds,
        ...(place?.lon != null && place.lat != null ? { lon: place.lon, lat: place.lat } : {}),
      });
      void message.success(t('handle.done'));
      onClose();
    } catch (error) {
      void message.error(errorText(error));
    } finally {
      setBusy(false);
    }
  };

  return (
    <Drawer open={task !== null} onClose={onClose} placement="bottom" size="92%" className="handle" title={t('handle.title')} destroyOnHidden
      footer={
        <Button type="primary" size="large" block loading={busy} onClick={() => form.submit()} data-testid="confirm">
          {t('handle.submit')}
        </Button>
      }
    >
      <p className="handle-what">
        <b>{task?.incident?.title}</b>
        <span className="muted">{[task?.incident?.division_name, task?.incident?.address].filter(Boolean).join(' ')}</span>
      </p>
      <Form form={form} layout="vertical" size="large" preserve={false} onFinish={(fields) => void submit(fields)}>
        <Form.Item label={t('handle.photos', { most: MOST_PHOTOS })}>
          <div className="shots">
            {shots.map(({ preview }, index) => (
              <figure key={preview}>
                <img src={preview} alt={t('handle.photo', { number: index + 1 })} />
                <Button size="small" shape="circle" icon={<CloseOutlined />} aria-label={t('handle.photo.remove')} onClick={() => setShots((before) => before.filter((_, at) => at !== index))} />
              </figure>
            ))}
            {shots.length < MOST_PHOTOS && (
              <button type="button" className="shot-add" onClick={() => camera.current?.click()}>
                <CameraOutlined /> {t('handle.photo.add')}
              </button>
            )}
          </div>
          <input ref={camera} type="file" accept="image/*" capture="environment" multiple className="unseen" aria-label={t('handle.photo.add')} data-testid="photo-input" onChange={(event) => add(event.target.files)} />
        </Form.Item>
        <Form.Item name="place" label={t('handle.place')}>
          <PlaceField pickable={false} />
        </Form.Item>
        {task?.incident && task.incident.lon !== null && (
          <Button size="small" type="link" className="use-place" onClick={() => task.incident && form.setFieldValue('place', { lon: task.incident.lon, lat: task.incident.lat })}>
            {t('handle.place.same')}
          </Button>
        )}
        <Form.Item name="result" label={t('action.result')} rules={[{ required: true, whitespace: true, message: t('action.result.missing') }]}>
          <Input.TextArea rows={4} maxLength={1000} showCount placeholder={t('handle.result.hint')} data-testid="result-input" />
        </Form.Item>
      </Form>
    </Drawer>
  );
}
