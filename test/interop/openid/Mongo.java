import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import de.bwaldvogel.mongo.bson.Document;
import io.netty.channel.Channel;

/** MongoDB's protocol with the data in memory, for the conformance suite: `java -cp 'lib/*' Mongo.java PORT`. */
public class Mongo extends MemoryBackend {
  public static void main(String[] args) {
    new MongoServer(new Mongo()).bind("127.0.0.1", Integer.parseInt(args[0]));
    System.out.println("listening");
  }

  /** The suite asks for a parameter of MongoDB's when it starts, and stops if there is no answer. */
  @Override
  public Document handleCommand(Channel channel, String database, String command, Document query) {
    if (!command.equals("getParameter")) return super.handleCommand(channel, database, command, query);
    var version = new Document("version", "6.0");
    return new Document("featureCompatibilityVersion", version).append("ok", 1);
  }
}
