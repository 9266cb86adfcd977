import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * A peer of the switch: Kafka Streams, exactly_once_v2, one state a key that each record reads and writes, and each record
 * passed on. Nothing is decoded and nothing is decided.
 *
 * <p>Arguments: bootstrap, source, target, application id, state folder, threads. Ends when its input is closed. Prints
 * "first" when it has its first record.
 */
public final class KeyedUpdate {
    private static final String STORE = "states";

    private KeyedUpdate() {}

    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        settings.putAll(
                Map.of(
                        StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0],
                        StreamsConfig.APPLICATION_ID_CONFIG, arguments[3],
                        StreamsConfig.STATE_DIR_CONFIG, arguments[4],
                        StreamsConfig.NUM_STREAM_THREADS_CONFIG, arguments[5],
                        StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2,
                        StreamsConfig.REPLICATION_FACTOR_CONFIG, "1",
                        StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest"));
        Topology topology = new Topology();
        var bytes = Serdes.ByteArray();
        topology.addSource("in", bytes.deserializer(), bytes.deserializer(), arguments[1])
                .addProcessor("update", Update::new, "in")
                .addStateStore(
                        Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(STORE), bytes, bytes), "update")
                .addSink("out", arguments[2], bytes.serializer(), bytes.serializer(), "update");
        CountDownLatch failed = new CountDownLatch(1);
        try (KafkaStreams streams = new KafkaStreams(topology, settings)) {
            streams.setStateListener((now, before) -> {
                if (now == KafkaStreams.State.ERROR) {
                    failed.countDown();
                }
            });
            streams.start();
            Thread asked = new Thread(() -> {
                try {
                    while (System.in.read() != -1) {}
                } catch (java.io.IOException closed) {
                    // as good as an end
                }
                failed.countDown();
            });
            asked.setDaemon(true);
            asked.start();
            failed.await();
            boolean bad = streams.state() == KafkaStreams.State.ERROR;
            streams.close(Duration.ofSeconds(10));
            System.exit(bad ? 1 : 0);
        }
    }

    /** Keeps of each key how many records there were, and the last one. */
    private static final class Update implements Processor<byte[], byte[], byte[], byte[]> {
        private static volatile boolean told;
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<byte[], byte[]> states;

        @Override
        public void init(ProcessorContext<byte[], byte[]> given) {
            context = given;
            states = given.getStateStore(STORE);
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            if (!told) {
                told = true;
                System.out.println("first");
            }
            byte[] before = states.get(record.key());
            long count = before == null ? 0 : ByteBuffer.wrap(before).getLong();
            ByteBuffer after = ByteBuffer.allocate(Long.BYTES + record.value().length);
            states.put(record.key(), after.putLong(count + 1).put(record.value()).array());
            context.forward(record);
        }
    }
}
