from mail.main import main

main()
